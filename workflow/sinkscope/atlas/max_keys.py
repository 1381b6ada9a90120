"""Counts of max keys by token and key class, with the ties among them. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

# Relative distance of two head means that float32 cannot tell apart: eight steps of its precision.
TIE = 2.0**-20


def is_tie(max_value: np.ndarray, second_value: np.ndarray) -> np.ndarray:
    """Whether the second key gets as much attention as the first, to within rounding."""
    return second_value >= max_value * (1 - TIE)


def count_keys(
    keys: np.ndarray, ties: np.ndarray, tokens: Sequence[str], classes: Sequence[str]
) -> pl.LazyFrame:
    """token, key_class, count, n_ties of one document.

    keys, ties: [row], a max key and whether it is a tie. tokens, classes: of the document.
    """
    counts = np.bincount(keys, minlength=len(tokens))
    n_ties = np.bincount(keys, ties, minlength=len(tokens))
    return (
        pl.LazyFrame({"token": tokens, "key_class": classes, "count": counts, "n_ties": n_ties})
        .group_by("token", "key_class")
        .agg(pl.col("count", "n_ties").sum().cast(pl.UInt64))
        .filter(pl.col("count") > 0)
    )


def histogram(counts: Sequence[pl.LazyFrame]) -> pl.LazyFrame:
    """token, key_class, count, share, n_ties: the max-attention histogram over all documents,
    sorted by token and key class, so that its bytes are always the same."""
    return (
        pl.concat(counts)
        .group_by("token", "key_class")
        .agg(pl.col("count", "n_ties").sum())
        .with_columns(share=pl.col("count") / pl.col("count").sum())
        .sort("token", "key_class")
    )
