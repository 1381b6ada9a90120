"""What a measure of claims is, how measures are found, and what all of them use to choose rows.

A measure takes the tables, a model's name and the claim's options. It returns a number; None
where the tables lack what it needs of the model (the claim is then not tested); and it raises
AbsentError where the thing that the claim speaks about does not exist in the model (the claim then
does not hold). A claim names its measure. A module in `sinkscope.claims.measures` has a mapping
MEASURES of measures by name. Pure functions. Layers count from 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module

import polars as pl

from sinkscope.discovery import modules_in
from sinkscope.errors import SinkscopeError

Tables = Mapping[str, pl.DataFrame]


class AbsentError(Exception):
    """What a claim speaks about does not exist in a model; the message is a sentence."""


@dataclass(frozen=True)
class Measure:
    """about: what the number is, for the reader. tables: those it reads (beside these, the one
    that the option `table` names). is_part: whether it is a share or a part of attention."""

    compute: Callable[..., float | None]
    about: str
    tables: tuple[str, ...]
    is_part: bool = True


@cache
def measures() -> dict[str, Measure]:
    """Every measure by name. Raises SinkscopeError where two have one name."""
    found: dict[str, Measure] = {}
    for module in modules_in("sinkscope.claims.measures"):
        own = getattr(import_module(module), "MEASURES", {})
        if twice := sorted(found.keys() & own.keys()):
            raise SinkscopeError(f"{module}: a second measure is named '{twice[0]}'; rename it.")
        found |= own
    return found


def number(frame: pl.DataFrame, what: pl.Expr) -> float | None:
    """One number of the rows of a frame; None where the rows do not give a finite one."""
    value = frame.select(what).item() if frame.height else None
    return float(value) if value is not None and math.isfinite(value) else None


def aggregated(column: str, how: str) -> pl.Expr:
    expression: pl.Expr = getattr(pl.col(column), how)()
    return expression


def in_layers(frame: pl.DataFrame, layers: Sequence[int] | str) -> pl.DataFrame:
    """Rows of these layers: [first, last], both counted in, from 0 or (negative) from the end;
    or `all`, or `intermediate`: all but the first and the last."""
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
