"""Counts of max keys by token and key class, with the ties among them. Pure functions."""

from collections.abc import Mapping, Sequence

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
    return by_token(counts_of(keys, values, seconds, len(tokens), tolerance), tokens, classes)


def by_token(
    counts: Mapping[str, np.ndarray], tokens: Sequence[str], classes: Sequence[str]
) -> pl.LazyFrame:
    """token, key_class and the counts of each, without those that are 0. counts: count and others,
    each [key]."""
    return (
        pl.LazyFrame({"token": tokens, "key_class": classes, **counts})
        .group_by("token", "key_class")
        .agg(pl.col(list(counts)).sum().cast(pl.UInt64))
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
