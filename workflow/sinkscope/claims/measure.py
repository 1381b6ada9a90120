"""Measures of claims: their definition, their discovery, and shared functions to choose rows.

A measure takes the tables, a model's name and the claim's options, and returns a number. It returns
None if the tables lack what it needs of the model (the claim is then not tested). It raises
AbsentError if what the claim speaks about does not exist in the model (the claim then does not
hold). A claim names its measure. A module in `sinkscope.claims.measures` has a mapping MEASURES of
measures by name. Measures are pure functions. Layers count from 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import polars as pl

from sinkscope.discovery import load, modules_in
from sinkscope.errors import SinkscopeError

Tables = Mapping[str, pl.DataFrame]


class AbsentError(Exception):
    """What a claim speaks about does not exist in a model; the message is a sentence."""


@dataclass(frozen=True)
class Measure:
    """about: the number in words. tables: the tables that it reads, besides the one that the option
    `table` names. is_part: whether it is a fraction between 0 and 1."""

    compute: Callable[..., float | None]
    about: str
    tables: tuple[str, ...]
    is_part: bool = True


@cache
def measures() -> dict[str, Measure]:
    """Every measure by name. Raises SinkscopeError if two measures have the same name."""
    by_name: dict[str, Measure] = {}
    for module in modules_in("sinkscope.claims.measures"):
        of_module = getattr(load(module), "MEASURES", {})
        if twice := sorted(by_name.keys() & of_module.keys()):
            raise SinkscopeError(f"{module}: a second measure is named '{twice[0]}'; rename it.")
        by_name |= of_module
    return by_name


def number(frame: pl.DataFrame, what: pl.Expr) -> float | None:
    """One number computed from the rows of a frame; None if it does not exist or is not finite."""
    value = frame.select(what).item() if frame.height else None
    return float(value) if value is not None and math.isfinite(value) else None


def aggregated(column: str, how: str) -> pl.Expr:
    expression: pl.Expr = getattr(pl.col(column), how)()
    return expression


def in_layers(frame: pl.DataFrame, layers: Sequence[int] | str) -> pl.DataFrame:
    """Rows of these layers: [first, last], both included, counted from 0 or (negative) from the
    end; `all`; or `intermediate`, all except the first and the last."""
    layer, last = pl.col("layer").cast(pl.Int64), pl.col("layer").cast(pl.Int64).max()
    if layers == "all":
        return frame
    if layers == "intermediate":
        return frame.filter(layer.is_between(1, last - 1))
    low, high = (last + 1 + int(i) if int(i) < 0 else pl.lit(int(i)) for i in layers)
    return frame.filter(layer.is_between(low, high))


def shown(layers: Sequence[int] | str) -> str:
    """Layers as a sentence names them."""
    if isinstance(layers, str):
        return {"all": "any layer"}.get(layers, f"the {layers} layers")
    low, high = ("the last" if layer == -1 else str(layer) for layer in layers)
    if low == high:
        return "the last layer" if layers[0] == -1 else f"layer {low}"
    return f"layers {low} to {high}"
