"""Measures that read one column of a table."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from sinkscope import intervals
from sinkscope.claims.measure import (
    AGGREGATES,
    Layers,
    Number,
    Tables,
    aggregated,
    estimate,
    in_layers,
    measure,
    number,
)


@measure("tokens of documents", "documents", is_part=False, aggregate=("sum", "min", "max"))
def n_tokens(tables: Tables, model: str, *, aggregate: str) -> Number:
    """Number of tokens of all documents (sum), or of the shortest or longest one (min, max)."""
    return number(tables["documents"].filter(model=model), aggregated("n_tokens", aggregate))


@measure("value", aggregate=(*AGGREGATES, "sum"))
def value(
    tables: Tables,
    model: str,
    *,
    table: str,
    column: str,
    aggregate: str = "mean",
    where: Mapping[str, Any] | None = None,
    layers: Layers = "all",
) -> Number:
    """A column of any table: the rows whose `where` columns have these values, aggregated. A mean
    or median has an interval if the rows are of documents."""
    conditions = [pl.col(key) == item for key, item in {"model": model, **(where or {})}.items()]
    rows = in_layers(tables[table].filter(*conditions), layers)
    whole = number(rows, aggregated(column, aggregate))
    if whole is None or "document" not in rows.columns or aggregate not in ("mean", "median"):
        return whole
    documents = [
        part[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        for part in rows.drop_nulls(column).sort("document").partition_by("document")
    ]
    if aggregate == "median":
        return estimate(intervals.medians(documents), len(documents))
    sums, counts = (np.array([[f(values)] for values in documents]) for f in (np.sum, len))
    return estimate(intervals.ratios(sums, counts.astype(float))[:, 0], len(documents))
