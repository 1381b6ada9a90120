"""Measures of long texts that are read through a window of keys."""

from __future__ import annotations

import polars as pl

from sinkscope import intervals
from sinkscope.claims.measure import Estimate, Measure, Tables, estimate


def window_cost(
    tables: Tables, model: str, *, window: int, column: str = "loss_late"
) -> float | Estimate | None:
    """Nats per token that a window of the most recent keys costs more than a window of as many keys
    with the first tokens among them; of texts that are at least twice as long as the window."""
    rows = tables["long_texts"].filter(pl.col("n_tokens") >= 2 * window, model=model, window=window)
    alone, sinks = (rows.filter(attention=name) for name in ("window", "sinks+window"))
    both = alone.join(sinks, on="document", suffix="_sinks").sort("document")
    costs = both.select(pl.col(column) - pl.col(f"{column}_sinks")).to_numpy()
    return estimate(intervals.means(costs)[:, 0], len(costs)) if len(costs) else None


MEASURES = {
    "window_cost": Measure(
        window_cost,
        "cost of a window without the first tokens, in nats per token",
        ("long_texts",),
        False,
        {"column": ("loss", "loss_late")},
    ),
}
