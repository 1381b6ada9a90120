"""The summary of one document as columns of long frames, one row per entry. Pure functions, no
files.

`cell` is a summary throughout (sinkscope.extract.summary.arrays).
"""

import numpy as np
import polars as pl

from sinkscope.declarations.registry import statistics
from sinkscope.extract.cell import Cell
from sinkscope.extract.summary.arrays import SCORED, by_layer, dense, scored_sets
from sinkscope.keys import KEY_SETS, LOCAL_WIDTHS, key_sets
from sinkscope.tables.arrays import Columns, texts

# Rows of sink_mass that means over documents are of: of a set that the tokens list, documents that
# have such keys; of sinks, all documents that could be judged (mass is null for the others).
IN_MEANS = (pl.col("n_keys") > 0) | (pl.col("key_set") == "sinks")
WHOLE = 0  # as a window: all queries


def _indices(shape: tuple[int, ...], *names: str) -> Columns:
    """Index columns of an array of this shape, flattened with the last axis fastest."""
    grids = np.indices(shape, dtype=np.uint32).reshape(len(shape), -1)
    return dict(zip(names, grids, strict=True))


def max_key_counts(cell: Cell) -> Columns:
    """token, key_class, count, n_ties, n_tied of each key: over all layers and queries."""
    return {
        "token": texts(cell.meta["tokens"]),
        "key_class": texts(cell.meta["classes"]),
        "count": cell["n_max"],
        "n_ties": cell["n_ties"],
        "n_tied": cell["n_near_ties"],
    }


def masses(cell: Cell) -> Columns:
    """layer, key_set, n_keys, and one column per statistic of key sets, with the mass under uniform
    attention beside it; n_keys is 0 for a set that the document lacks."""
    index = _indices(cell["mass"].shape, "layer", "key_set")
    members = _members(cell)
    uniform = np.nan_to_num(by_layer(cell, "uniform").astype(np.float64))
    uniform = uniform * by_layer(cell, "n_queries")  # [layer, key]
    uniform_mass = (members @ uniform[..., None])[..., 0] / cell.n_tokens  # [layer, key_set]
    with np.errstate(divide="ignore", invalid="ignore"):
        times_uniform = np.where(uniform_mass > 0, cell["mass"] / uniform_mass, np.nan)
    return {
        "layer": index["layer"],
        "key_set": texts(KEY_SETS)[index["key_set"]],
        "n_keys": members.sum(2, dtype=np.int64).ravel(),
        **_columns(cell, ("layer", "key_set")),
        "uniform_mass": uniform_mass.ravel(),
        "times_uniform": times_uniform.ravel(),
    }


def _members(cell: Cell) -> np.ndarray:
    """[layer, key_set, key] 1 for the keys in each of KEY_SETS: those that the tokens list are the
    same in all layers; the sinks are those of each layer."""
    members = np.zeros((len(cell["mass"]), len(KEY_SETS), cell.n_tokens))
    for place, keys in enumerate(key_sets(cell.meta["classes"]).values()):
        members[:, place, keys] = 1
    members[:, KEY_SETS.index("sinks")] = dense(cell, "is_sink")
    return members


def heads(cell: Cell) -> Columns:
    """layer, head, sink_score at key 0 with its n_queries, the same over what uniform attention
    would give it, and one column per statistic of heads."""
    index = _indices(cell["entropy"].shape, "layer", "head")
    return {
        **index,
        "n_queries": by_layer(cell, "n_queries")[index["layer"], 0],
        "sink_score": cell["first_score"].ravel(),
        "times_uniform": (cell["first_score"] / by_layer(cell, "uniform")[:, :1]).ravel(),
        **_columns(cell, ("layer", "head")),
    }


def of_some_heads(cell: Cell, name: str, column: str) -> Columns:
    """layer, head, and a statistic as `column`, of the heads that have it."""
    layer, head = np.nonzero(~np.isnan(cell[name]))
    return {"layer": layer, "head": head, column: cell[name][layer, head]}


def _columns(cell: Cell, axes: tuple[str, ...]) -> Columns:
    """By column: the statistics with these axes, and each width of statistics that also have the
    axis `width`."""
    columns: Columns = {}
    for one in statistics():
        if one.has_table:
            continue
        if one.axes == axes:
            columns[one.column_at()] = cell[one.name].ravel()
        elif one.axes == (*axes, "width"):
            for place, width in enumerate(LOCAL_WIDTHS):
                columns[one.column_at(width)] = cell[one.name][..., place].ravel()
    return columns


def best_sink_scores(cell: Cell) -> Columns:
    """layer, head, key_set, window, score: of key 0, and of the best key of every key class.

    window: WHOLE for all queries, else the number of first tokens; no rows if the document is
    shorter. Only keys that more than half of these queries see are counted; score is NaN if a set
    has none. Under a causal mask few queries see the last keys, and only the last query sees the
    last key, which would look like a sink; a sliding window hides every key from most queries.
    """
    window, n_tokens = cell.meta["window"], cell.n_tokens
    of_all, of_window = scored_sets(cell.meta["classes"], window)
    rows = list(cell["best_score"])  # [layer, head] each
    seen_by_most = 2 * by_layer(cell, "n_queries")[:, :1] > n_tokens  # [layer, 1]
    first = np.where(seen_by_most, cell["first_score"], np.nan)
    scores = [("first_token", first), *zip(of_all, rows, strict=False)]
    parts = [_scores(dict(scores), cell, WHOLE)]
    if of_window:
        scores = list(zip(of_window, rows[len(of_all) :], strict=True))
        parts.append(_scores(dict(scores), cell, window))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _scores(scores: dict[str, np.ndarray], cell: Cell, window: int) -> Columns:
    """scores: [layer, head] of the sets that the summary has."""
    classes = cell.meta["classes"]
    none = np.full(cell["first_score"].shape, np.nan)
    only_first = {classes[0]} if classes.count(classes[0]) == 1 else set()
    of_sets = [
        scores["first_token" if name in only_first else name]
        if name in scores or name in only_first
        else none
        for name in SCORED
    ]
    best = np.stack(of_sets, 2).astype(np.float64)  # [layer, head, key_set]
    index = _indices(best.shape, "layer", "head", "key_set")
    names = texts(SCORED)[index.pop("key_set")]
    windows = np.full(best.size, window, np.uint32)
    return {**index, "key_set": names, "score": best.ravel(), "window": windows}


def last_layer_keys(cell: Cell) -> Columns:
    """layer, key, token, key_class, n_queries, received, share, of the last layer.

    received: head mean of the sink score, over the n_queries that see the key. share: fraction of
    the layer's queries whose max key it is.
    """
    layer = len(cell["view"]) - 1
    return {
        "layer": np.full(cell.n_tokens, layer),
        "key": np.arange(cell.n_tokens, dtype=np.uint32),
        "token": texts(cell.meta["tokens"]),
        "key_class": texts(cell.meta["classes"]),
        "n_queries": by_layer(cell, "n_queries")[layer],
        "received": cell["last_received"],
        "share": cell["last_n_max"] / cell.n_tokens,
    }
