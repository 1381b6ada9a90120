"""Counts of max keys, and of the ties among them."""

from __future__ import annotations

import numpy as np

# Relative distance of two head means that float32 cannot tell apart: eight steps of its precision.
TIE = 2.0**-20


def tolerances(tolerance: float) -> dict[str, float]:
    """By count: the largest relative difference of the second key. tolerance: the setting."""
    return {"n_ties": TIE, "n_tied": max(tolerance, TIE)}


def counts_of(
    keys: np.ndarray, values: np.ndarray, seconds: np.ndarray, n_keys: int, tolerance: float
) -> dict[str, np.ndarray]:
    """count, n_ties and n_tied of each key, [key].

    keys, values, seconds: [row], a max key, its attention, and that of the second key.
    """
    counts = {"count": np.bincount(keys, minlength=n_keys)}
    for name, part in tolerances(tolerance).items():
        counts[name] = np.bincount(keys[seconds >= values * (1 - part)], minlength=n_keys)
    return counts
