"""Counts of max keys by token and key class, with the ties among them. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

# Relative distance of two head means that float32 cannot tell apart: eight steps of its precision.
TIE = 2.0**-20


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
    classes: of the document. tolerance: of n_tied, the part that the second key may receive less.
    """
    counts = {"count": np.bincount(keys, minlength=len(tokens))}
    for name, part in (("n_ties", TIE), ("n_tied", max(tolerance, TIE))):
        counts[name] = np.bincount(keys, seconds >= values * (1 - part), minlength=len(tokens))
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
