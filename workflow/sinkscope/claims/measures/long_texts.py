"""Measures of long texts read through a window of keys."""

import polars as pl

from sinkscope import intervals
from sinkscope.claims.measure import Number, Tables, estimate, measure


@measure(
    "cost of a window without the first tokens, in nats per token",
    "long_texts",
    is_part=False,
    column=("loss", "loss_late"),
)
def window_cost(tables: Tables, model: str, *, window: int, column: str = "loss_late") -> Number:
    """Loss in nats per token of a window of the most recent keys, above that of a window of the
    same size that includes the first tokens; for texts at least twice as long as the window."""
    rows = tables["long_texts"].filter(pl.col("n_tokens") >= 2 * window, model=model, window=window)
    alone, sinks = (rows.filter(attention=name) for name in ("window", "sinks+window"))
    both = alone.join(sinks, on="document", suffix="_sinks").sort("document")
    costs = both.select(pl.col(column) - pl.col(f"{column}_sinks")).to_numpy()
    return estimate(intervals.means(costs)[:, 0], len(costs)) if len(costs) else None
