"""Shares of counts over documents as figures draw them: a bar, the interval of its share, and the
documents as points."""

from collections.abc import Sequence

import polars as pl

from sinkscope import means
from sinkscope.charts.figure import Tables
from sinkscope.charts.of_documents import MOST_POINTS, shown_documents
from sinkscope.charts.theme import ALL_DOCUMENTS
from sinkscope.tables.read import queried

OF_TOKENS = ("token", "key_class")
OF_ALL = ("count", "share", "low", "high", "n_tied")  # columns that documents have of their own


def counts_of(tables: Tables, shares: pl.DataFrame, by: Sequence[str] = OF_TOKENS) -> pl.DataFrame:
    """model, `by`, document, count: the counts of the table max_attention_documents that shares are
    about; everything else in a document is one row, with null in `by`. shares: model, `by`."""
    keys = ["model", *by]
    wanted = shares.lazy().select(keys).unique().with_columns(is_wanted=True)

    def query(rows: pl.LazyFrame) -> pl.LazyFrame:
        rows = rows.join(wanted, on=keys, how="left")
        kept = (pl.when("is_wanted").then(name).alias(name) for name in by)
        return rows.with_columns(*kept).group_by("document", *keys).agg(pl.col("count").sum())

    return queried(tables, "max_attention_documents", query)


def with_intervals(
    shares: pl.DataFrame, counted: pl.DataFrame, by: Sequence[str] = OF_TOKENS
) -> pl.DataFrame:
    """Adds low and high: the interval of each share over the model's documents. The share is a
    ratio of sums: long documents have more max keys.

    shares: model, `by`. counted: model, document, count and `by`, such as the table
    max_attention_documents.
    """
    keys = ["model", *by]
    rates = means.of_sums(in_documents(shares, counted, keys), keys, "count", "total", "rate")
    ends = rates.select(*keys, low="rate_low", high="rate_high")
    return shares.join(ends, on=keys, how="left", maintain_order="left")


def with_documents(
    shares: pl.DataFrame,
    counted: pl.DataFrame,
    documents: pl.DataFrame,
    by: Sequence[str] = OF_TOKENS,
    most: int = MOST_POINTS,
) -> pl.DataFrame:
    """Adds document: the shares are those of ALL_DOCUMENTS. Below them, the shares in single
    documents, all or evenly chosen ones, with n_tokens; none if there is only one document.

    shares, counted, by: as of with_intervals. documents: the table of that name. most: documents
    of one share.
    """
    keys = ["model", *by]
    rows = in_documents(shares, counted, keys)
    several = rows["document"].n_unique() > 1
    shown = shown_documents(rows["document"], shares.height, most) if several else []
    lengths = documents.select("model", "document", "n_tokens")
    single = (
        rows.filter(pl.col("document").is_in(shown))
        .join(shares.drop(OF_ALL, strict=False), on=keys)
        .join(lengths, on=["model", "document"])
        .with_columns(pl.col("count").cast(pl.UInt64), share=pl.col("count") / pl.col("total"))
        .drop("total")
        .sort(*keys, "document")
    )
    parts = [shares.with_columns(document=pl.lit(ALL_DOCUMENTS)), single]
    return pl.concat(parts, how="diagonal_relaxed")


def in_documents(shares: pl.DataFrame, counted: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """`keys`, document, count, total: the number of max keys of each document, and of those of each
    row of shares."""
    count = pl.col("count").sum().cast(pl.Float64)
    totals = counted.group_by("model", "document").agg(total=count)
    own = counted.group_by("document", *keys).agg(count)
    rows = shares.select(keys).join(totals, on="model")
    rows = rows.join(own, on=["document", *keys], how="left")
    return rows.with_columns(pl.col("count").fill_null(0))
