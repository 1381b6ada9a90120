"""What a measure of claims is, and what all of them use to choose rows of tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

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
