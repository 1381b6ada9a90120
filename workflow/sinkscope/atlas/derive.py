"""From the frames of all cells of a model to its part of every table. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from sinkscope.atlas import frames, sinks
from sinkscope.atlas.limits import LIMITS, Limits
from sinkscope.atlas.max_keys import histogram
from sinkscope.atlas.tables import TABLES
from sinkscope.extract.cell import Cell
from sinkscope.tables.contract import conform, empty


def sink_rate(scores: pl.LazyFrame, epsilon: float) -> pl.LazyFrame:
    """layer, key_set, window, n_documents, rate: fraction of (document, head) pairs whose score is
    above epsilon, over the n_documents that have a score; null if none has."""
    score = pl.col("score")
    n_heads = pl.col("head").n_unique()
    return (
        scores.group_by("layer", "key_set", "window")
        .agg(rate=(score > epsilon).mean(), n_documents=score.count() // n_heads)
        .with_columns(epsilon=pl.lit(epsilon))
    )


def of_documents(parts: Sequence[pl.LazyFrame], cells: Sequence[Cell]) -> pl.LazyFrame:
    """The frames of all cells, concatenated, with a column that names the document."""
    return pl.concat(
        part.with_columns(document=pl.lit(cell.meta["document"]))
        for part, cell in zip(parts, cells, strict=True)
    )


def documents(cells: Sequence[Cell], entries: Sequence[dict[str, Any]]) -> pl.LazyFrame:
    rows = [
        {
            **{name: entry[name] for name in entry if not name.startswith("cell")},
            "n_tokens": cell.n_tokens,
            "n_tokens_full": cell.meta["n_tokens_full"],
            "truncated": cell.n_tokens < cell.meta["n_tokens_full"],
        }
        for cell, entry in zip(cells, entries, strict=True)
    ]
    return pl.LazyFrame(rows, infer_schema_length=None)


def tables_of_model(
    model: dict[str, Any],
    cells: Sequence[Cell],
    entries: Sequence[dict[str, Any]],
    limits: Limits,
) -> dict[str, pl.LazyFrame]:
    """The rows of one model in every table; none for a model without cells.

    model: its facts. entries: its cells' entries in the manifest.
    """
    if not cells:
        return {name: empty(table).lazy() for name, table in TABLES.items()}
    rows = {
        "documents": documents(cells, entries),
        "models": pl.LazyFrame([model], infer_schema_length=None),
    }
    metadata = {
        name: conform(frame.with_columns(model=pl.lit(model["model"])), TABLES[name])
        for name, frame in rows.items()
    }
    statistics = {name: table_of_cells(name, model["model"], cells, limits) for name in MEASURED}
    return statistics | metadata


def table_of_cells(
    name: str, model: str, cells: Sequence[Cell], limits: Limits = LIMITS
) -> pl.LazyFrame:
    """The rows of one model in one table of MEASURED, with the table's columns, types and order."""
    return conform(MEASURED[name](cells, limits).with_columns(model=pl.lit(model)), TABLES[name])


# Tables computed from cells alone: from cells and limits to rows without a model.
MEASURED: dict[str, Callable[[Sequence[Cell], Limits], pl.LazyFrame]] = {
    "max_attention_tokens": lambda cells, limits: histogram(
        [frames.max_key_counts(cell, limits.tie_tolerance) for cell in cells]
    ),
    "sink_mass": lambda cells, _: of_documents([frames.masses(cell) for cell in cells], cells),
    "sink_rate": lambda cells, limits: sink_rate(
        pl.concat(frames.best_sink_scores(cell) for cell in cells), limits.epsilon
    ),
    "found_sinks": lambda cells, _: of_documents(
        [sinks.found_sinks(cell) for cell in cells], cells
    ),
    "sink_lives": lambda cells, _: of_documents([sinks.sink_lives(cell) for cell in cells], cells),
    "sink_tokens": lambda cells, _: sinks.sink_tokens(cells),
    "heads": lambda cells, _: of_documents([frames.heads(cell) for cell in cells], cells),
    "last_layer_keys": lambda cells, _: of_documents(
        [frames.last_layer_keys(cell) for cell in cells], cells
    ),
}
