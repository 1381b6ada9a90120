"""The summary of a full cell, in NumPy."""

from __future__ import annotations

import numpy as np

from sinkscope.extract.cell import Cell
from sinkscope.extract.summary.arrays import (
    NORMS,
    ROW_VALUES,
    RULES,
    counts_of,
    is_summary,
    of_layers,
    scored_sets,
    widened,
)


def summary_of(cell: Cell, tie_tolerance: float) -> Cell:
    """The summary of a cell, which may be one already. tie_tolerance: as of the setting."""
    if is_summary(cell):
        return cell
    n_tokens = cell.n_tokens
    received = mean_over_heads(cell["sink_score"])
    n_heads = cell["is_head_sink"].sum(1)  # [layer, key]
    rules = np.sum([code * cell[name] for name, code in RULES.items()], axis=0)
    rows = np.nonzero((rules > 0) | (n_heads > 0))
    n_max = np.stack([np.bincount(keys, minlength=n_tokens) for keys in cell["max_key"]])
    keys, values, seconds = (
        cell[name].ravel() for name in ("max_key", "max_value", "second_value")
    )
    counts = counts_of(keys, values, seconds, n_tokens, tie_tolerance)
    first_of, view = distinct_rows(cell["n_queries"], cell["uniform"])
    arrays = {one.name: cell[one.name] for one in of_layers() if one.name in cell.arrays}
    arrays |= {
        "first_score": cell["sink_score"][:, :, 0],
        "best_score": best_scores(cell),
        "view": view,
        "n_queries": cell["n_queries"][first_of],
        "uniform": cell["uniform"][first_of],
        "n_max": counts["count"],
        "n_ties": counts["n_ties"],
        "n_near_ties": counts["n_tied"],
        "last_n_max": n_max[-1],
        "last_received": received[-1],
        "norm_median": np.stack(
            [np.median(cell[name].astype(np.float64), axis=1) for name in NORMS], 1
        ),
        "sinks.layer": rows[0],
        "sinks.key": rows[1],
        "sinks.rules": rules[rows],
        "sinks.n_heads": n_heads[rows],
        "sinks.n_max": n_max[rows],
        "sinks.received": received[rows],
        **{f"sinks.{name}": cell[name][rows] for name in ROW_VALUES},
    }
    return Cell(cell.meta, {name: widened(values) for name, values in arrays.items()})


def mean_over_heads(scores: np.ndarray) -> np.ndarray:
    """[layer, key] float64. scores: [layer, head, key]. Heads are added in their order, so that a
    device that does the same gets the same bits."""
    total = scores[:, 0].astype(np.float64)
    for head in range(1, scores.shape[1]):
        total += scores[:, head]
    return total / scores.shape[1]


def distinct_rows(n_queries: np.ndarray, uniform: np.ndarray) -> tuple[list[int], np.ndarray]:
    """The first layer of each distinct pair of rows, and [layer] which of them holds for it."""
    seen: dict[bytes, int] = {}
    rows = [a.tobytes() + b.tobytes() for a, b in zip(n_queries, uniform, strict=True)]
    view = np.array([seen.setdefault(row, len(seen)) for row in rows])
    return [rows.index(row) for row in seen], view


def best_scores(cell: Cell) -> np.ndarray:
    """[set, layer, head] best_score of a summary."""
    window, n_tokens = cell.meta["window"], cell.n_tokens
    of_all, of_window = scored_sets(cell.meta["classes"], window)
    parts = [
        *best_of(of_all, cell["sink_score"], cell["n_queries"], n_tokens, cell),
        *best_of(of_window, cell["window_score"], cell["n_window_queries"], window, cell),
    ]
    shape = cell["sink_score"].shape[:2]
    return np.stack(parts) if parts else np.zeros((0, *shape), np.float32)


def best_of(
    names: list[str], scores: np.ndarray, n_seeing: np.ndarray, n_queries: int, cell: Cell
) -> list[np.ndarray]:
    """[layer, head] of each set. scores: [layer, head, key]. n_seeing: [layer, key], number of the
    n_queries that see the key."""
    candidates = np.where((2 * n_seeing > n_queries)[:, None], scores, np.nan)
    classes = np.array(cell.meta["classes"][: scores.shape[2]])
    none = np.full(scores.shape[:2], np.nan, scores.dtype)
    best = []
    for name in names:
        keys = [0] if name == "first_token" else np.flatnonzero(classes == name).tolist()
        best.append(np.fmax.reduce(candidates[..., keys], 2) if keys else none)
    return best
