"""Rows that charts draw: of one model, of a few documents, and their mean."""

from collections.abc import Sequence

import polars as pl

from sinkscope import means, words
from sinkscope.charts.figure import Tables
from sinkscope.charts.theme import ALL_DOCUMENTS
from sinkscope.tables.blocks import Blocks, filtered
from sinkscope.tables.read import StoredTables, queried

# Longer pickers are hard to use, and each entry adds its rows to the file.
MOST_DOCUMENTS = 20
MOST_ROWS = 20_000


def axis_length(frame: pl.DataFrame, axis: str) -> int:
    """Number of layers, or heads: they count from 0."""
    return int(frame.select(pl.col(axis).max()).item()) + 1


def architectures(tables: Tables) -> dict[str, str]:
    """Architecture by model, of the models with results."""
    return dict(tables["models"].sort("model").select("model", "architecture").iter_rows())


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


def documents_with_rows(rows: pl.DataFrame | Blocks) -> list[str]:
    """Names of the documents, in order."""
    if isinstance(rows, Blocks):
        return rows.documents
    return rows["document"].unique().sort().to_list()


def with_mean(
    frame: pl.DataFrame | Blocks,
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
    n_all = len(documents_with_rows(frame))
    if n_all < 2 or mean.height * (1 + len(documents)) > MOST_ROWS:
        return mean
    own = frame.of(documents) if isinstance(frame, Blocks) else frame
    parts = [own.filter(pl.col("document") == name).sort(by) for name in documents]
    single = [part.select("document", *by, *values) for part in parts]
    return pl.concat([mean, *single], how="diagonal_relaxed")


def with_lengths(frame: pl.DataFrame, documents: pl.DataFrame) -> pl.DataFrame:
    """Adds n_tokens of each document. documents: the table of that name, of one model."""
    lengths = documents.select("document", "n_tokens")
    return frame.join(lengths, on="document", how="left", maintain_order="left")


def drawn_documents(frame: pl.DataFrame) -> list[str]:
    """Entries of the document picker, in order of appearance."""
    return frame["document"].unique(maintain_order=True).to_list()


def distinct_key_sets(tables: Tables, names: Sequence[str]) -> list[str]:
    """Those of `names` that some document has; if [CLS] or BOS is the first token, not both.

    tables: with sink_mass, of one model.
    """

    def sets(rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.filter(pl.col("n_keys") > 0).select("key_set").unique()

    present = set(queried(tables, "sink_mass", sets)["key_set"])
    key_sets = [name for name in names if name in present]
    for special in ("bos", "cls"):
        if {"first_token", special} <= set(key_sets) and is_first(tables, special):
            key_sets.remove("first_token")
    return key_sets


def is_first(tables: Tables, special: str) -> bool:
    """Whether a key set has the same mass as the first token in every layer of every document."""

    def differences(rows: pl.LazyFrame) -> pl.LazyFrame:
        masses = rows.filter(pl.col("key_set").is_in(["first_token", special]))
        values = masses.group_by("document", "layer").agg(pl.col("mass").n_unique(), n=pl.len())
        return values.filter((pl.col("mass") > 1) | (pl.col("n") < 2)).select(pl.len())

    return queried(tables, "sink_mass", differences).item() == 0
