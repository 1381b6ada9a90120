"""Counts of max keys by token and key class, with the ties among them. Pure functions."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from sinkscope.extract.summary.arrays import counts_of


def count_keys(
    keys: np.ndarray,
    values: np.ndarray,
    seconds: np.ndarray,
    tokens: Sequence[str],
    classes: Sequence[str],
    tolerance: float,
) -> pl.LazyFrame:
    """token, key_class, count, n_ties, n_tied of one document.

    keys, values, seconds: [row], a max key, its attention, and that of the second key. tokens,
    classes: of the document. tolerance: the largest relative difference that counts as a tie in
    n_tied.
    """
    counts = counts_of(keys, values, seconds, len(tokens), tolerance)
    return by_token(pl.LazyFrame({"token": tokens, "key_class": classes, **counts}))


def by_token(keys: pl.LazyFrame, *by: str) -> pl.LazyFrame:
    """`by`, token, key_class, and sums of the counts, without those that are 0. keys: `by`, token,
    key_class, count, n_ties, n_tied, one row per key."""
    return (
        keys.group_by(*by, "token", "key_class")
        .agg(pl.col("count", "n_ties", "n_tied").sum().cast(pl.UInt64))
        .filter(pl.col("count") > 0)
    )


def histogram(counts: Sequence[pl.LazyFrame]) -> pl.LazyFrame:
    """token, key_class, count, share, n_ties, n_tied: the histogram of max keys of all documents,
    sorted by token and key class, so that its bytes are always the same."""
    return (
        pl.concat(counts)
        .group_by("token", "key_class")
        .agg(pl.col("count", "n_ties", "n_tied").sum())
        .with_columns(share=pl.col("count") / pl.col("count").sum())
        .sort("token", "key_class")
    )
