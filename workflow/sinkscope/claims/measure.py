"""Measures of claims: their definition, their discovery, and functions that they share.

A measure takes the tables, a model's name and the claim's options, and returns a number, or an
Estimate: a number with its interval over documents. It returns None if the tables lack what it
needs of the model (the claim is then not tested), and raises AbsentError if the model lacks what
the claim is about (the claim then does not hold).

A claim names its measure: a function with the decorator `measure`, in a module in
`sinkscope.claims.measures`. Measures are pure functions. Layers count from 0.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import polars as pl

from sinkscope import intervals
from sinkscope.discovery import load, modules_in
from sinkscope.errors import SinkscopeError
from sinkscope.means import matrix
from sinkscope.tables.read import selected

Tables = Mapping[str, pl.DataFrame]

ALWAYS = pl.lit(True)
EACH = "each"  # as a range of layers: every layer alone, in other definitions of a claim
AGGREGATES = ("mean", "median", "min", "max")


class AbsentError(Exception):
    """The model lacks what the claim is about; the message is a sentence."""


@dataclass(frozen=True)
class Estimate:
    """A number with the ends of its 95 % bootstrap interval over documents (None for a single
    document, and for what is not a mean or median over documents)."""

    number: float
    low: float | None = None
    high: float | None = None
    n_documents: int | None = None


Number = float | Estimate | None
Layers = Sequence[int] | str


@dataclass(frozen=True)
class Measure:
    """compute: the function; its name is that of the measure. Others: as of `measure`."""

    compute: Callable[..., Number]
    about: str
    tables: tuple[str, ...]
    is_part: bool
    columns_of: str
    legal: Mapping[str, Collection[Any]]


def measure(
    about: str, *tables: str, is_part: bool = True, columns_of: str = "", **legal: Collection[Any]
) -> Callable[[Callable[..., Number]], Measure]:
    """Declares a function as a measure. about: the number in words. tables: the tables that the
    number needs, except the one that the option `table` names; its interval may need further tables
    with values per document. is_part: whether it is a fraction between 0 and 1. columns_of: the
    table whose columns the option `column` may name. legal: by option, its values (of a list: those
    of its items)."""
    return lambda compute: Measure(compute, about, tables, is_part, columns_of, legal)


@cache
def measures() -> dict[str, Measure]:
    """Every measure by name. Raises SinkscopeError if two measures have the same name."""
    by_name: dict[str, Measure] = {}
    for name in modules_in("sinkscope.claims.measures"):
        module = load(name)
        declared = {key: one for key, one in vars(module).items() if isinstance(one, Measure)}
        of_module = {key: m for key, m in declared.items() if m.compute.__module__ == name}
        if twice := sorted(by_name.keys() & of_module.keys()):
            raise SinkscopeError(f"{name}: a second measure is named '{twice[0]}'; rename it.")
        by_name |= of_module
    return by_name


def rows_of(
    tables: Tables, name: str, model: str, columns: Sequence[str] = (), where: pl.Expr = ALWAYS
) -> pl.DataFrame:
    """The rows of one model in a table for which `where` is true; columns: those that are read
    (none: all)."""
    return selected(tables, name, list(columns) or [pl.all()], where & (pl.col("model") == model))


def number(frame: pl.DataFrame, what: pl.Expr) -> float | None:
    """One number computed from the rows of a frame; None if it does not exist or is not finite."""
    value = frame.select(what).item() if frame.height else None
    return float(value) if value is not None and math.isfinite(value) else None


def aggregated(column: str, how: str) -> pl.Expr:
    expression: pl.Expr = getattr(pl.col(column), how)()
    return expression


def estimate(resampled: np.ndarray, n_documents: int) -> Number:
    """The number of the sample with its interval; None if it is not finite. resampled: [1 +
    RESAMPLES], computed from arrays of the module intervals, such as means. n_documents: 0 for a
    number that is not over documents, which has no interval."""
    if not np.isfinite(resampled[0]):
        return None
    if not n_documents:
        return float(resampled[0])
    (low,), (high,) = intervals.interval(resampled[:, None])
    if n_documents < 2 or not np.isfinite(low):
        return Estimate(float(resampled[0]), n_documents=n_documents)
    return Estimate(float(resampled[0]), float(low), float(high), n_documents)


def over(how: str, resampled: np.ndarray) -> np.ndarray:
    """[1 + RESAMPLES]: mean, median, min or max over the statistics of each resample. resampled: [1
    + RESAMPLES, statistic]."""
    functions: dict[str, Callable[..., np.ndarray]] = {
        "mean": np.mean, "median": np.median, "min": np.min, "max": np.max,
    }  # fmt: skip
    return functions[how](resampled, axis=1)


def per_document(
    rows: pl.DataFrame, by: Sequence[str], values: Sequence[str]
) -> tuple[pl.DataFrame, list[np.ndarray]]:
    """means.matrix, for rows that may be of documents with several rows in a group: their mean."""
    grouped = rows.group_by("document", *by).agg(pl.col(values).cast(pl.Float64).mean())
    return matrix(grouped, by, values)


def resampled(
    rows: pl.DataFrame, by: Sequence[str], columns: Sequence[str]
) -> tuple[list[np.ndarray], int] | None:
    """[1 + RESAMPLES, group] of each column: its means over the documents of each resample; and the
    number of documents. None without rows."""
    if rows.is_empty():
        return None
    _, values = per_document(rows, by, columns)
    return [intervals.means(array) for array in values], len(values[0])


def mean_of(
    rows: pl.DataFrame, by: Sequence[str], column: str, how: str = "mean"
) -> float | Estimate | None:
    """Means of a column over documents, then mean, median, min or max over the groups."""
    estimates = resampled(rows, by, [column])
    return None if estimates is None else estimate(over(how, estimates[0][0]), estimates[1])


def of_length(
    tables: Tables, model: str, at_least_tokens: int = 0, at_most_tokens: int | None = None
) -> pl.Series:
    """Names of the documents with so many tokens; none if the run does not say how many."""
    if "documents" not in tables:
        return pl.Series("document", [], pl.String)
    documents = tables["documents"].filter(model=model)
    n = pl.col("n_tokens")
    is_short = pl.lit(True) if at_most_tokens is None else n <= at_most_tokens
    return documents.filter(n >= at_least_tokens, is_short)["document"]


def in_layers(frame: pl.DataFrame, layers: Layers) -> pl.DataFrame:
    """Rows of these layers: [first, last], both included, counted from 0 or (negative) from the
    end; or `all`."""
    last = pl.col("layer").cast(pl.Int64).max()
    if layers == "all":
        return frame
    low, high = (last + 1 + int(i) if int(i) < 0 else pl.lit(int(i)) for i in layers)
    return frame.filter(pl.col("layer").cast(pl.Int64).is_between(low, high))


def shown(layers: Layers) -> str:
    """Layers as a sentence names them."""
    if isinstance(layers, str):
        return {"all": "any layer"}.get(layers, f"{layers} layer")
    names = {-1: "the last", -2: "the last but one"}
    low, high = (names.get(layer, str(layer)) for layer in layers)
    if low == high:
        return "the last layer" if layers[0] == -1 else f"layer {low}"
    return f"layers {low} to {high}"
