"""The arrays of a summary: their names, axes and types.

A summary is a Cell whose arrays the tables of the atlas are computed from. It takes a twentieth of
the bytes of a full cell, which also keeps the scores of every head and key. Both have the
statistics of OF_LAYERS; a summary also has these arrays:

- `first_score` [layer, head]: sink_score of key 0.
- `best_score` [set, layer, head]: the highest sink_score of the keys of a set that more than half
  of the queries see, NaN where there is none; the sets are those of `scored_sets`, for all queries
  and then for the window.
- `view` [layer]: row of n_queries and uniform [view, key] that holds for the layer. Layers with the
  same mask share one.
- `n_max`, `n_ties`, `n_near_ties` [key]: number of (layer, query) pairs whose max key it is; of
  these, the ties and near ties. `last_n_max` [key]: n_max of the last layer alone.
- `last_received` [key]: sink_score in the last layer, mean over heads.
- `norm_median` [layer, 2]: medians over the keys of state_norm and of value_norm.
- `sinks.NAME` [row]: one row per layer and key that is a sink by one of the rules or of one head,
  in this order. sinks.layer, sinks.key; sinks.rules: sum of RULES that call it a sink;
  sinks.n_heads: number of heads of which it is one; sinks.n_max: n_max in this layer;
  sinks.received: sink_score, mean over heads; sinks.steady, sinks.state_cosine, sinks.state_norm,
  sinks.value_norm: the statistics of these names.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sinkscope.declarations.registry import statistics
from sinkscope.declarations.statistic import Statistic
from sinkscope.extract.cell import Cell
from sinkscope.keys import KEY_CLASSES

AXES_OF_LAYERS = (("layer", "head"), ("layer", "head", "width"), ("layer", "key_set"))
RULES = {"is_sink": 1, "by_attention": 2, "by_state": 4}
ROW_VALUES = ("steady", "state_cosine", "state_norm", "value_norm")
NORMS = ("state_norm", "value_norm")
# Relative distance of two head means that float32 cannot tell apart: eight steps of its precision.
TIE = 2.0**-20
# Keys whose best score counts: key 0, and those of each class.
SCORED = ("first_token", *KEY_CLASSES)


def of_layers() -> list[Statistic]:
    """The statistics that a summary keeps as they are."""
    return [one for one in statistics() if one.axes in AXES_OF_LAYERS]


def scored_sets(classes: Sequence[str], window: int) -> tuple[list[str], list[str]]:
    """Names of SCORED whose best score a summary keeps: over all queries, and over the window; none
    over the window if the document is shorter. first_score is that of first_token over all queries,
    and a class whose only key is key 0 has the score of first_token."""
    classes = list(classes)
    named = [
        name
        for name in KEY_CLASSES
        if name in classes and not (name == classes[0] and classes.count(name) == 1)
    ]
    return named, ["first_token", *named] if len(classes) >= window else []


def is_summary(cell: Cell) -> bool:
    return "first_score" in cell.arrays


def dense(cell: Cell, name: str) -> np.ndarray:
    """[layer, key] the values of sinks.NAME, 0 for keys without a row. Names of RULES are bool."""
    shape = (len(cell["view"]), cell.n_tokens)
    is_rule = name in RULES
    values = (cell["sinks.rules"] & RULES[name]) > 0 if is_rule else cell[f"sinks.{name}"]
    matrix = np.zeros(shape, values.dtype)
    matrix[cell["sinks.layer"], cell["sinks.key"]] = values
    return matrix


def by_layer(cell: Cell, name: str) -> np.ndarray:
    """[layer, key] of n_queries or uniform."""
    return cell[name][cell["view"]]


def widened(values: np.ndarray) -> np.ndarray:
    """Integers as int64, so that sums and products of them do not overflow."""
    return values.astype(np.int64) if values.dtype.kind in "iu" else values


def tolerances(tolerance: float) -> dict[str, float]:
    """By count: how much less the second key may receive, as a fraction. tolerance: the setting."""
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
