"""Measures that read one column of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from sinkscope.claims.measure import Measure, Tables, aggregated, in_layers, number


def n_tokens(tables: Tables, model: str, *, aggregate: str) -> float | None:
    """Number of tokens of all documents (sum), or of the shortest or longest one (min, max)."""
    return number(tables["documents"].filter(model=model), aggregated("n_tokens", aggregate))


def value(
    tables: Tables, model: str, *, table: str, column: str, aggregate: str = "mean",
    where: Mapping[str, Any] | None = None, layers: Sequence[int] | str = "all",
) -> float | None:  # fmt: skip
    """A column of any table: the rows whose `where` columns have these values, aggregated."""
    conditions = [pl.col(key) == item for key, item in {"model": model, **(where or {})}.items()]
    return number(
        in_layers(tables[table].filter(*conditions), layers), aggregated(column, aggregate)
    )


MEASURES = {
    "n_tokens": Measure(n_tokens, "tokens of documents", ("documents",), False),
    "value": Measure(value, "value", ()),
}
