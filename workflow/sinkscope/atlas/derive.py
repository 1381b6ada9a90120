"""From the frames of all cells of a model to its part of every table. Pure functions."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import polars as pl

from sinkscope import means
from sinkscope.atlas import frames, sinks
from sinkscope.atlas.limits import LIMITS, Limits
from sinkscope.atlas.max_keys import by_token, histogram
from sinkscope.atlas.tables import TABLES
from sinkscope.extract.cell import Cell
from sinkscope.extract.summary.of_cell import summary_of
from sinkscope.tables.arrays import Columns, numbered, stacked
from sinkscope.tables.contract import conform, empty
from sinkscope.words import spans


def scored_heads(scores: pl.LazyFrame, epsilon: float) -> pl.LazyFrame:
    """document, layer, key_set, window, n_heads (heads that have a score), n_above (those whose
    score is above epsilon). scores: document and the columns of frames.best_sink_scores, null for
    WHOLE and for NaN."""
    score = pl.col("score")
    return (
        scores.group_by("document", "layer", "key_set", "window")
        .agg(n_heads=score.count(), n_above=(score > epsilon).sum())
        .with_columns(epsilon=pl.lit(epsilon))
    )


def sink_rate(scored: pl.LazyFrame) -> pl.LazyFrame:
    """layer, key_set, epsilon, window, n_documents, rate, low, high: fraction of (document, head)
    pairs whose score is above epsilon, over the n_documents that have a score; null if none has.
    scored: the frame that scored_heads returns."""
    by = ["layer", "key_set", "epsilon", "window"]
    rates = means.of_sums(scored.collect(), by, "n_above", "n_heads", "rate")
    return rates.rename({"rate_low": "low", "rate_high": "high", "rate_n": "n_documents"}).lazy()


def mass_means(masses: pl.LazyFrame) -> pl.LazyFrame:
    """The table sink_mass as means over the documents that have keys of the set; a document that is
    long enough for sinks but has none counts as mass 0."""
    values = ["mass", "strict_mass", "uniform_mass", "times_uniform"]
    known = pl.when(frames.IN_MEANS, pl.col("mass").is_not_null()).then(pl.col(values))
    rows = means.over_documents(masses.with_columns(known).collect(), ["layer", "key_set"], values)
    return rows.rename({"mass_n": "n_documents", "strict_mass_n": "n_strict"}).lazy()


def of_documents(columns: Callable[[Cell], Columns], cells: Sequence[Cell]) -> pl.LazyFrame:
    """The rows of all cells below each other, with a column that names the document."""
    return stacked((cell.meta["document"], numbered(columns(cell), cell.layers)) for cell in cells)


def scores_of(cells: Sequence[Cell], epsilon: float) -> pl.LazyFrame:
    """The frame of scored_heads of all documents."""
    scores = of_documents(frames.best_sink_scores, cells).with_columns(
        pl.col("score").fill_nan(None), pl.col("window").replace(frames.WHOLE, None)
    )
    return scored_heads(scores, epsilon)


def documents(cells: Sequence[Cell], entries: Sequence[Mapping[str, Any]]) -> pl.LazyFrame:
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


def without_attention(model: Mapping[str, Any], cell: Cell) -> str | None:
    """The layers without attention; None if there are none. model: its facts."""
    return spans(sorted(set(range(model["n_layers"])) - set(cell.layers))) or None


ERRORS = ("output_error", "row_error")  # of an audit


def audit_of(cells: Sequence[Cell]) -> dict[str, Any]:
    """How many rows were audited, and the largest errors."""
    audits = [cell.meta["audit"] for cell in cells]
    errors = {name: max(audit[name] for audit in audits) for name in ERRORS}
    return {"n_audited": sum(len(audit["queries"]) for audit in audits), **errors}


def joined_models(parts: pl.LazyFrame) -> pl.LazyFrame:
    """The table models of one model, joined from its rows of several batches of documents."""
    audits = [pl.col("n_audited").sum(), pl.col(ERRORS).max()]
    return parts.select(*audits, pl.exclude("n_audited", *ERRORS).first())


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
    cells = [summary_of(cell, limits.tie_tolerance) for cell in cells]
    statistics = {name: table_of_cells(name, model["model"], cells, limits) for name in MEASURED}
    return statistics | of_run(model, cells, entries)


def of_run(
    model: Mapping[str, Any], cells: Sequence[Cell], entries: Sequence[Mapping[str, Any]]
) -> dict[str, pl.LazyFrame]:
    """The tables documents and models. Arguments as of tables_of_model."""
    rows = {
        "documents": documents(cells, entries),
        "models": pl.LazyFrame(
            [{**model, "without_attention": without_attention(model, cells[0]), **audit_of(cells)}],
            infer_schema_length=None,
        ),
    }
    return {
        name: conform(frame.with_columns(model=pl.lit(model["model"])), TABLES[name])
        for name, frame in rows.items()
    }


def table_of_cells(
    name: str, model: str, cells: Sequence[Cell], limits: Limits = LIMITS
) -> pl.LazyFrame:
    """The rows of one model in one table of MEASURED, with the table's columns, types and order."""
    cells = [summary_of(cell, limits.tie_tolerance) for cell in cells]
    return conform(MEASURED[name](cells, limits).with_columns(model=pl.lit(model)), TABLES[name])


# Tables computed from cells alone: from summaries and limits to rows without a model.
MEASURED: dict[str, Callable[[Sequence[Cell], Limits], pl.LazyFrame]] = {
    "max_attention_tokens": lambda cells, _: histogram(
        [by_token(of_documents(frames.max_key_counts, cells))]
    ),
    "max_attention_documents": lambda cells, _: by_token(
        of_documents(frames.max_key_counts, cells), "document"
    ),
    "sink_mass": lambda cells, _: of_documents(frames.masses, cells),
    "sink_mass_means": lambda cells, _: mass_means(of_documents(frames.masses, cells)),
    "sink_rate": lambda cells, limits: sink_rate(scores_of(cells, limits.epsilon)),
    "sink_rate_documents": lambda cells, limits: scores_of(cells, limits.epsilon).filter(
        pl.col("n_heads") > 0
    ),
    "found_sinks": lambda cells, _: of_documents(sinks.found_sinks, cells),
    "sink_lives": lambda cells, _: sinks.lives_of(cells),
    "sink_tokens": lambda cells, _: sinks.sink_tokens(cells),
    "heads": lambda cells, _: of_documents(frames.heads, cells),
    "virtual_sink": lambda cells, _: of_documents(
        partial(frames.of_some_heads, name="virtual_sink", column="mass"), cells
    ),
    "gates": lambda cells, _: of_documents(
        partial(frames.of_some_heads, name="gate", column="gate"), cells
    ),
    "last_layer_keys": lambda cells, _: of_documents(frames.last_layer_keys, cells),
}
