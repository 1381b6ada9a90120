"""Shares of counts over documents as figures draw them: a bar, the interval of its share, and the
documents as points."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from sinkscope import means
from sinkscope.charts.of_documents import MOST_POINTS, shown_documents
from sinkscope.charts.theme import ALL_DOCUMENTS

OF_TOKENS = ("token", "key_class")
OF_ALL = ("count", "share", "low", "high", "n_tied")  # columns that documents have of their own


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
    """`keys`, document, count, total: how many max keys each document has, and how many of them
    are those of each row of shares."""
    count = pl.col("count").sum().cast(pl.Float64)
    totals = counted.group_by("model", "document").agg(total=count)
    own = counted.group_by("document", *keys).agg(count)
    rows = shares.select(keys).join(totals, on="model")
    rows = rows.join(own, on=["document", *keys], how="left")
    return rows.with_columns(pl.col("count").fill_null(0))
