"""Attention that keys receive from the queries after all of them."""

from __future__ import annotations

import numpy as np


def counted_queries(n_tokens: int, keys: list[int], *, is_causal: bool) -> np.ndarray:
    """[query] bool: the queries that see all of `keys` and are not among them."""
    query = np.arange(n_tokens)
    return query > max(keys) if is_causal else ~np.isin(query, keys)


def mean_mass(mass: np.ndarray, keys: list[int], column: int, *, is_causal: bool) -> np.ndarray:
    """[layer, mark] mean of mass [layer, mark, query, set] over counted_queries; NaN if there are
    none."""
    queries = counted_queries(mass.shape[2], keys, is_causal=is_causal)
    if not queries.any():
        return np.full(mass.shape[:2], np.nan)
    return mass[:, :, queries, column].mean(2)
