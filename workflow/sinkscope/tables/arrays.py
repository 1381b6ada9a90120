"""Arrays as rows of a table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

LAYER = re.compile(r"(.+_)?layer")


def with_numbers(rows: pl.LazyFrame, layers: Sequence[int]) -> pl.LazyFrame:
    """The rows, with layers as the model numbers them. In columns `layer` and `..._layer` they
    count the layers with attention. layers: the number of each of these."""
    if list(layers) == list(range(len(layers))):
        return rows
    names = [name for name in rows.collect_schema().names() if LAYER.fullmatch(name)]
    numbers = dict(enumerate(layers))
    return rows.with_columns(pl.col(names).replace_strict(numbers, default=None))


def rows_of(
    arrays: Mapping[str, np.ndarray], **axes: Sequence[object] | np.ndarray | None
) -> pl.DataFrame:
    """One row per entry of arrays of one shape: a column per axis, then a column per array. axes:
    by name, in order, the labels of their positions; None for positions themselves, counted from
    0."""
    shape = next(iter(arrays.values())).shape
    places = np.indices(shape).reshape(len(shape), -1)
    columns = {
        name: place if labels is None else np.asarray(labels)[place]
        for (name, labels), place in zip(axes.items(), places, strict=True)
    }
    return pl.DataFrame(columns | {name: array.ravel() for name, array in arrays.items()})
