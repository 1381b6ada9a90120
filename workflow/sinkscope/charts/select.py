"""Rows that charts draw: of one model, of a few documents, and their mean."""

from collections.abc import Sequence

import polars as pl

from sinkscope import means, words
from sinkscope.charts.figure import Tables
from sinkscope.charts.theme import ALL_DOCUMENTS
from sinkscope.tables.read import StoredTables

# Longer pickers are hard to use, and each entry adds its rows to the file.
MOST_DOCUMENTS = 20
MOST_ROWS = 20_000


def axis_length(frame: pl.DataFrame, axis: str) -> int:
    """Number of layers, or heads: they count from 0."""
    return int(frame.select(pl.col(axis).max()).item()) + 1


def architectures(tables: Tables) -> dict[str, str]:
    """Architecture by model, of the models with results."""
    return dict(tables["models"].sort("model").select("model", "architecture").iter_rows())


def filtered(tables: Tables, where: pl.Expr) -> Tables:
    """The rows of all tables for which `where` is true."""
    if isinstance(tables, StoredTables):
        return tables.filtered(where)
    return {name: frame.filter(where) for name, frame in tables.items()}


def rows_where(tables: Tables, name: str, where: pl.Expr) -> pl.DataFrame:
    """The rows of one table for which `where` is true; others of a stored table are not read."""
    if isinstance(tables, StoredTables):
        return tables.filtered(where)[name]
    return tables[name].filter(where)


def of_model(tables: Tables, model: str) -> Tables:
    return filtered(tables, pl.col("model") == model)


def with_softmax(tables: Tables) -> Tables:
    """The tables without models whose attention is not softmax, which are not comparable."""
    others = tables["models"].filter(pl.col("attention") != "softmax")["model"].to_list()
    return filtered(tables, ~pl.col("model").is_in(others))


def documents_of(tables: Tables, wanted: Sequence[str] | None) -> list[str]:
    """Documents that pickers offer: those of `wanted` that exist, or the first by name."""
    names = tables["documents"]["document"].unique().sort().to_list()
    offered = names if wanted is None else [name for name in wanted if name in names]
    return offered[:MOST_DOCUMENTS]


def in_most_documents(
    rows: pl.DataFrame, holds: pl.Expr, by: Sequence[str] = ("model",)
) -> pl.DataFrame:
    """`by`, k, n: the groups for which `holds` is true in more than half of the n documents that
    have a value; k: in how many. rows: at most one row per group and document."""
    counts = rows.group_by(by).agg(k=holds.sum(), n=holds.is_not_null().sum())
    return counts.filter(pl.col("k") * 2 > pl.col("n")).sort(by)


def documents_in(frame: pl.DataFrame, by: Sequence[str] = ("model",)) -> str:
    """'8 documents', or '5 to 8 documents' if the groups that a figure averages differ."""
    counts = frame.group_by(by).agg(pl.col("document").n_unique())["document"].to_list()
    if not counts:
        return words.counted(0, "document")
    return f"{words.ranged(counts)} document{'s' if max(counts) > 1 else ''}"


def with_mean(
    frame: pl.DataFrame,
    by: Sequence[str],
    values: Sequence[str],
    documents: Sequence[str],
    mean: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """document, `by`, `values`, and of each value low, high and n: the mean over all documents with
    its interval, then the rows of `documents`, if they are few.

    by: columns that identify a row of one document. mean: the means, if a table has them. Rows are
    in the order of the documents, then of `by`.
    """
    if mean is None:
        mean = means.over_documents(frame, by, values)
    intervals = [f"{value}_{end}" for value in values for end in ("low", "high", "n")]
    mean = mean.sort(by).select(pl.lit(ALL_DOCUMENTS).alias("document"), *by, *values, *intervals)
    n_all = frame["document"].n_unique()
    if n_all < 2 or mean.height * (1 + len(documents)) > MOST_ROWS:
        return mean
    parts = [frame.filter(pl.col("document") == name).sort(by) for name in documents]
    single = [part.select("document", *by, *values) for part in parts]
    return pl.concat([mean, *single], how="diagonal_relaxed")


def with_lengths(frame: pl.DataFrame, documents: pl.DataFrame) -> pl.DataFrame:
    """Adds n_tokens of each document. documents: the table of that name, of one model."""
    lengths = documents.select("document", "n_tokens")
    return frame.join(lengths, on="document", how="left", maintain_order="left")


def drawn_documents(frame: pl.DataFrame) -> list[str]:
    """Entries of the document picker, in order of appearance."""
    return frame["document"].unique(maintain_order=True).to_list()


def distinct_key_sets(mass: pl.DataFrame, names: Sequence[str]) -> list[str]:
    """Those of `names` that some document has; if [CLS] or BOS is the first token, not both.

    mass: rows of one model of the table sink_mass.
    """
    present = set(mass.filter(pl.col("n_keys") > 0)["key_set"].unique())
    key_sets = [name for name in names if name in present]
    wide = mass.pivot("key_set", index=["document", "layer"], values="mass")
    for special in ("bos", "cls"):
        both = {"first_token", special} <= set(key_sets)
        if both and wide.filter(pl.col("first_token").ne_missing(pl.col(special))).is_empty():
            key_sets.remove("first_token")
    return key_sets
