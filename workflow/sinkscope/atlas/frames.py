"""One cell's arrays as long frames, one row per entry. Pure functions, no files."""

from __future__ import annotations

import numpy as np
import polars as pl

from sinkscope.atlas.max_keys import count_keys
from sinkscope.declarations.registry import statistics
from sinkscope.extract.cell import Cell
from sinkscope.keys import KEY_CLASSES, KEY_SETS, LOCAL_WIDTHS, key_sets

# Rows of sink_mass that means over documents are of: of a set that the tokens list, documents that
# have such keys; of sinks, all documents that could be judged (mass is null for the others).
IN_MEANS = (pl.col("n_keys") > 0) | (pl.col("key_set") == "sinks")


def _indices(shape: tuple[int, ...], *names: str) -> dict[str, np.ndarray]:
    """Index columns of an array of this shape, flattened with the last axis fastest."""
    grids = np.indices(shape, dtype=np.uint32).reshape(len(shape), -1)
    return dict(zip(names, grids, strict=True))


def max_key_counts(cell: Cell, tolerance: float) -> pl.LazyFrame:
    """token, key_class, count, n_ties, n_tied of the max keys of all layers and queries of one
    document. tolerance: as in count_keys."""
    keys, values, seconds = (
        cell[name].ravel() for name in ("max_key", "max_value", "second_value")
    )
    return count_keys(keys, values, seconds, cell.meta["tokens"], cell.meta["classes"], tolerance)


def masses(cell: Cell) -> pl.LazyFrame:
    """layer, key_set, n_keys, and one column per statistic of key sets, with the mass under uniform
    attention beside it; n_keys is 0 for a set that the document lacks."""
    index = _indices(cell["mass"].shape, "layer", "key_set")
    members = _members(cell)
    uniform = np.nan_to_num(cell["uniform"].astype(np.float64)) * cell["n_queries"]  # [layer, key]
    uniform_mass = (members @ uniform[..., None])[..., 0] / cell.n_tokens  # [layer, key_set]
    with np.errstate(divide="ignore", invalid="ignore"):
        times_uniform = np.where(uniform_mass > 0, cell["mass"] / uniform_mass, np.nan)
    return pl.LazyFrame(
        {
            "layer": index["layer"],
            "key_set": np.array(KEY_SETS)[index["key_set"]],
            "n_keys": members.sum(2, dtype=np.int64).ravel(),
            **_columns(cell, ("layer", "key_set")),
            "uniform_mass": uniform_mass.ravel(),
            "times_uniform": times_uniform.ravel(),
        }
    )


def _members(cell: Cell) -> np.ndarray:
    """[layer, key_set, key] 1 for the keys in each of KEY_SETS: those that the tokens list are the
    same in all layers; the sinks are those of each layer."""
    members = np.zeros((len(cell["mass"]), len(KEY_SETS), cell.n_tokens))
    for place, keys in enumerate(key_sets(cell.meta["classes"]).values()):
        members[:, place, keys] = 1
    members[:, KEY_SETS.index("sinks")] = cell["is_sink"]
    return members


def heads(cell: Cell) -> pl.LazyFrame:
    """layer, head, sink_score at key 0 with its n_queries, the same over what uniform attention
    would give it, and one column per statistic of heads."""
    index = _indices(cell["entropy"].shape, "layer", "head")
    return pl.LazyFrame(
        {
            **index,
            "n_queries": cell["n_queries"][index["layer"], 0],
            "sink_score": cell["sink_score"][:, :, 0].ravel(),
            "times_uniform": (cell["sink_score"][:, :, 0] / cell["uniform"][:, :1]).ravel(),
            **_columns(cell, ("layer", "head")),
        }
    )


def virtual_sink(cell: Cell) -> pl.LazyFrame:
    """layer, head, mass of the heads with a virtual key."""
    index = _indices(cell["virtual_sink"].shape, "layer", "head")
    rows = pl.LazyFrame({**index, "mass": cell["virtual_sink"].ravel()})
    return rows.filter(pl.col("mass").is_not_nan())


def _columns(cell: Cell, axes: tuple[str, ...]) -> dict[str, np.ndarray]:
    """By column: the statistics with these axes, and each width of statistics that also have the
    axis `width`."""
    columns = {}
    for one in statistics():
        if one.has_table:
            continue
        if one.axes == axes:
            columns[one.column_at()] = cell[one.name].ravel()
        elif one.axes == (*axes, "width"):
            for place, width in enumerate(LOCAL_WIDTHS):
                columns[one.column_at(width)] = cell[one.name][..., place].ravel()
    return columns


def best_sink_scores(cell: Cell) -> pl.LazyFrame:
    """layer, head, key_set, window, score: of key 0, and of the best key of every key class.

    window: null for all queries, else the number of first tokens; no rows if the document is
    shorter. Only keys that more than half of these queries see are counted; score is null if a set
    has none. Under a causal mask few queries see the last keys, and only the last query sees the
    last key, which would look like a sink; a sliding window hides every key from most queries.
    """
    window, n_tokens = cell.meta["window"], cell.n_tokens
    parts = [_best(cell["sink_score"], cell["n_queries"], n_tokens, cell, None)]
    if n_tokens >= window:
        parts.append(_best(cell["window_score"], cell["n_window_queries"], window, cell, window))
    return pl.concat(parts)


def _best(
    scores: np.ndarray, n_seeing: np.ndarray, n_queries: int, cell: Cell, window: int | None
) -> pl.LazyFrame:
    """scores: [layer, head, key]. n_seeing: [layer, key], number of the n_queries that see the
    key."""
    candidates = np.where((2 * n_seeing > n_queries)[:, None], scores, np.nan)
    classes = np.array(cell.meta["classes"][: scores.shape[2]])
    positions = {"first_token": [0]}
    positions |= {name: np.flatnonzero(classes == name).tolist() for name in KEY_CLASSES}
    none = np.full(scores.shape[:2], np.nan)
    best = np.stack(  # [layer, head, key_set]
        [np.fmax.reduce(candidates[..., keys], 2) if keys else none for keys in positions.values()],
        2,
    )
    index = _indices(best.shape, "layer", "head", "key_set")
    names = np.array(list(positions))[index.pop("key_set")]
    return pl.LazyFrame(index | {"key_set": names, "score": best.ravel()}).with_columns(
        pl.col("score").fill_nan(None), window=pl.lit(window, dtype=pl.UInt32)
    )


def last_layer_keys(cell: Cell) -> pl.LazyFrame:
    """layer, key, token, key_class, n_queries, received, share, of the last layer.

    received: head mean of the sink score, over the n_queries that see the key. share: fraction of
    the layer's queries whose max key it is.
    """
    layer = len(cell["max_key"]) - 1
    received = cell["sink_score"][layer].mean(0, dtype=np.float64)  # [key]
    counts = np.bincount(cell["max_key"][layer], minlength=cell.n_tokens)
    return pl.LazyFrame(
        {
            "key": np.arange(cell.n_tokens, dtype=np.uint32),
            "token": cell.meta["tokens"],
            "key_class": cell.meta["classes"],
            "n_queries": cell["n_queries"][layer],
            "received": received,
            "share": counts / cell.n_tokens,
        }
    ).with_columns(layer=pl.lit(layer, dtype=pl.UInt16))
