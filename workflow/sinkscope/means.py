"""Means over documents of long frames, each with its bootstrap interval and number of documents.

A value `mass` gives the columns mass, mass_low, mass_high and mass_n (number of documents with a
value). Null, NaN and infinite values do not count.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from sinkscope import intervals
from sinkscope.intervals import Estimates


def over_documents(
    frame: pl.DataFrame, by: Sequence[str], values: Sequence[str], *, log: Sequence[str] = ()
) -> pl.DataFrame:
    """`by`, and of each value its mean over documents with low, high and n, sorted.

    frame: document, `by`, `values`; at most one row per document and `by`. Documents are resampled
    per model if `by` has one. log: values whose mean is geometric, of numbers above 0."""
    parts = []
    for part in _by_model(frame, by):
        groups, matrices = matrix(part, by, values)
        columns: dict[str, np.ndarray] = {}
        for name, values_of in zip(values, matrices, strict=True):
            if name in log:
                with np.errstate(divide="ignore", invalid="ignore"):
                    columns |= _columns(name, intervals.of_means(np.log(values_of)), np.exp)
            else:
                columns |= _columns(name, intervals.of_means(values_of))
        parts.append(_with(groups, columns))
    return pl.concat(parts).sort(by)


def of_sums(
    frame: pl.DataFrame, by: Sequence[str], numerator: str, weight: str, name: str
) -> pl.DataFrame:
    """`by`, and `name`: the sum of one column over the sum of another, over documents, with low,
    high and n, sorted. frame: as in over_documents; a document without a value has null in either
    column, or 0 in both."""
    parts = []
    for part in _by_model(frame, by):
        groups, (above, below) = matrix(part, by, [numerator, weight])
        parts.append(_with(groups, _columns(name, intervals.of_ratios(above, below))))
    return pl.concat(parts).sort(by)


def matrix(
    frame: pl.DataFrame, by: Sequence[str], values: Sequence[str]
) -> tuple[pl.DataFrame, list[np.ndarray]]:
    """The groups `by`, sorted, and of each value an array [document, group] with the documents by
    name; NaN for no value. Raises ValueError if a document has two rows in one group."""
    documents = frame.select("document").unique().sort("document").with_row_index("at_document")
    groups = frame.select(by).unique().sort(by).with_row_index("at_group")
    placed = frame.join(documents, on="document").join(groups, on=by, nulls_equal=True)
    places = placed.select("at_document", "at_group")
    if places.is_duplicated().any():
        raise ValueError(f"a document has two rows with the same {', '.join(by)}")
    arrays = []
    for name in values:
        array = np.full((documents.height, groups.height), np.nan)
        column = placed[name].cast(pl.Float64).fill_null(float("nan"))
        array[places["at_document"], places["at_group"]] = column
        arrays.append(array)
    return groups.drop("at_group"), arrays


def _by_model(frame: pl.DataFrame, by: Sequence[str]) -> list[pl.DataFrame]:
    several = "model" in by and not frame.is_empty()
    return frame.partition_by("model", maintain_order=True) if several else [frame]


def _columns(
    name: str, estimates: Estimates, scale: Callable[[np.ndarray], np.ndarray] = np.asarray
) -> dict[str, np.ndarray]:
    """scale: from the scale of the mean to that of the value, such as exp for a geometric mean."""
    return {
        name: scale(estimates.value),
        f"{name}_low": scale(estimates.low),
        f"{name}_high": scale(estimates.high),
        f"{name}_n": estimates.n_documents,
    }


def _with(groups: pl.DataFrame, columns: dict[str, np.ndarray]) -> pl.DataFrame:
    frame = groups.with_columns(
        pl.Series(name, values).cast(pl.UInt32 if name.endswith("_n") else pl.Float64)
        for name, values in columns.items()
    )
    return frame.with_columns(pl.col(pl.Float64).fill_nan(None))
