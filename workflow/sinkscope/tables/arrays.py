"""Arrays as rows of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl


def rows_of(
    arrays: Mapping[str, np.ndarray], **axes: Sequence[object] | np.ndarray | None
) -> pl.DataFrame:
    """One row per entry of arrays of one shape: a column per axis, then a column per array.

    axes: names of the axes, in order, each with the labels of its positions; None for positions
    themselves, counted from 0.
    """
    shape = next(iter(arrays.values())).shape
    places = np.indices(shape).reshape(len(shape), -1)
    columns = {
        name: place if labels is None else np.asarray(labels)[place]
        for (name, labels), place in zip(axes.items(), places, strict=True)
    }
    return pl.DataFrame(columns | {name: array.ravel() for name, array in arrays.items()})
