"""The sinks of documents as columns: per layer, over the layers, and by token. Pure functions.

`cell` is a summary throughout (sinkscope.extract.summary.arrays).
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from sinkscope.extract.cell import Cell
from sinkscope.extract.summary.arrays import NORMS, RULES, by_layer, dense
from sinkscope.tables.arrays import Columns, numbered, stacked, texts

TOKEN = ("token", "key_class")  # what is counted as one token


def found_sinks(cell: Cell) -> Columns:
    """One row per layer and key that is a sink by one of the rules, or of one head."""
    rows = layer, key = cell["sinks.layer"], cell["sinks.key"]
    received, n_queries = cell["sinks.received"], by_layer(cell, "n_queries")[rows]
    over_median = {
        name: cell[f"sinks.{name}"] / np.where(median > 0, median, np.nan)[layer]
        for name, median in zip(NORMS, cell["norm_median"].T, strict=True)
    }
    return {
        "layer": layer,
        "key": key,
        "token": texts(cell.meta["tokens"])[key],
        "key_class": texts(cell.meta["classes"])[key],
        **{name: (cell["sinks.rules"] & code) > 0 for name, code in RULES.items()},
        "n_heads": cell["sinks.n_heads"],
        "n_queries": n_queries,
        "received": received,
        "mass": received * n_queries / cell.n_tokens,
        "times_uniform": received / by_layer(cell, "uniform")[rows],
        "share_of_queries": cell["sinks.steady"],
        "share_of_max_keys": cell["sinks.n_max"] / cell.n_tokens,
        "state_cosine": cell["sinks.state_cosine"],
        **over_median,
    }


def lives_of(cells: Sequence[Cell]) -> pl.LazyFrame:
    """document, and what sink_lives returns of each; null for no layer."""
    lives = stacked(
        (cell.meta["document"], numbered(sink_lives(cell), cell.layers)) for cell in cells
    )
    close = pl.col("first_close_layer", "last_close_layer")
    return lives.with_columns(close.replace(-1, None))


def sink_lives(cell: Cell) -> Columns:
    """One row per key that is a sink of at least one layer: its layers, its peak, and the layers
    in which its state is close to that of key 0 (-1 without any)."""
    is_sink, is_close = dense(cell, "is_sink"), dense(cell, "by_state")  # [layer, key]
    is_close[:, 0] = False  # close to itself
    keys = np.flatnonzero(is_sink.any(0))
    received, n_queries = dense(cell, "received"), by_layer(cell, "n_queries")
    mass = (received * n_queries / cell.n_tokens)[:, keys]
    mass = np.where(is_sink[:, keys], mass, -1.0)  # the peak is in a layer of its life
    peak = mass.argmax(0) if keys.size else keys
    first, last = span(is_sink[:, keys])
    first_close, last_close = span(is_close[:, keys])
    return {
        "key": keys,
        "token": texts(cell.meta["tokens"])[keys],
        "key_class": texts(cell.meta["classes"])[keys],
        "first_layer": first,
        "last_layer": last,
        "n_layers": is_sink[:, keys].sum(0),
        "peak_layer": peak,
        "peak_mass": mass[peak, np.arange(len(keys))],
        "first_close_layer": first_close,
        "last_close_layer": last_close,
    }


def span(layers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and last layer of each key; -1 for a key without any. layers: [layer, key] bool."""
    any_layer = layers.any(0)
    last = len(layers) - 1 - layers[::-1].argmax(0)
    return np.where(any_layer, layers.argmax(0), -1), np.where(any_layer, last, -1)


def sink_tokens(cells: Sequence[Cell]) -> pl.LazyFrame:
    """One row per token and class with a sink among its occurrences, over all documents."""
    return joined_tokens([counted_tokens(cells)])


def joined_tokens(parts: Sequence[pl.LazyFrame]) -> pl.LazyFrame:
    """The same, joined from the results of counted_tokens."""
    sums = ("n_occurrences", "n_judged", "n_sinks", "n_close", "n_documents", "n_sink_documents")
    return (
        pl.concat(parts)
        .group_by(TOKEN)
        .agg(
            pl.col(sums).sum(),
            pl.col("first_layer").min(),
            pl.col("last_layer", "peak_mass").max(),
        )
        .filter(pl.col("n_sinks") > 0)
    )


def counted_tokens(cells: Sequence[Cell]) -> pl.LazyFrame:
    """One row per token and class of these documents; layers and peak are null if none of them is a
    sink."""
    occurrences = stacked((cell.meta["document"], of_tokens(cell)) for cell in cells)
    counts = occurrences.group_by(TOKEN).agg(
        n_occurrences=pl.len(),
        n_judged=pl.col("is_judged").sum(),
        n_sinks=pl.col("is_sink").sum(),
        n_close=pl.col("is_close").sum(),
        n_documents=pl.col("document").filter("is_judged").n_unique(),
        n_sink_documents=pl.col("document").filter("is_sink").n_unique(),
    )
    spans = (
        lives_of(cells)
        .group_by(TOKEN)
        .agg(
            first_layer=pl.col("first_layer").min(),
            last_layer=pl.col("last_layer").max(),
            peak_mass=pl.col("peak_mass").max(),
        )
    )
    return counts.join(spans, on=TOKEN, how="left")


def of_tokens(cell: Cell) -> Columns:
    """One row per token of a document."""
    is_close: np.ndarray = dense(cell, "by_state").any(0) & (np.arange(cell.n_tokens) > 0)
    return {
        "token": texts(cell.meta["tokens"]),
        "key_class": texts(cell.meta["classes"]),
        "is_judged": (cell["n_queries"] >= cell.meta["sink_rule"]["n_queries"]).any(0),
        "is_sink": dense(cell, "is_sink").any(0),
        "is_close": is_close,
    }
