"""Norms of residual state, key and value of every token, massive activations, and attention with
every key weighted by the norm of its value.

Sources: Sun et al. 2024 (massive activations), Guo et al. 2024, Kobayashi et al. 2020 (weighting).
"""

import numpy as np
import polars as pl
import torch
from torch import Tensor

from sinkscope.experiments.norms.constants import MASSIVE, QUANTITIES, TIMES_MEDIAN
from sinkscope.extract.encode import Encoded
from sinkscope.extract.model import Loaded
from sinkscope.keys import key_sets
from sinkscope.measure.passes import (
    Pass,
    Task,
    observe,
    plan_of,
    readable,
    shortened,
    shown_documents,
)
from sinkscope.tables.arrays import rows_of

LARGEST = 3  # largest entries of a state, recorded even if none is massive
WEIGHTED_SETS = ("first_token", "first_terminator", "special", "listed_sinks")


def sinks_of(encoded: Encoded) -> dict[int, str]:
    """Position to name of the single sink tokens: the keys of the key set `listed_sinks`."""
    sets = key_sets(encoded.classes)
    names = {position: encoded.classes[position] for position in sets["listed_sinks"]}
    return names | dict.fromkeys(sets["first_terminator"], "first_terminator") | {0: "first_token"}


def norms_of(forward: Pass) -> np.ndarray:
    """[quantity, layer, token] norms of the states, keys and values of one document."""
    states = torch.stack([states[0].float().norm(dim=-1) for states in forward.states])
    keys, values = (
        torch.stack([layer[0] for layer in layers])
        for layers in (forward.key_norms, forward.value_norms)
    )
    return torch.stack([states, keys, values]).cpu().double().numpy()


def by_position(norms: np.ndarray, encoded: Encoded) -> pl.DataFrame:
    """One row per layer and position. norms: [quantity, layer, token]."""
    shape = norms.shape[1:]
    tokens = {"token": encoded.tokens, "key_class": encoded.classes}
    columns = {name: np.broadcast_to(np.array(values), shape) for name, values in tokens.items()}
    return rows_of(columns | dict(zip(QUANTITIES, norms, strict=True)), layer=None, position=None)


def ratios(norms: np.ndarray, sinks: dict[int, str]) -> pl.DataFrame:
    """One row per layer and sink: each norm over the median of all tokens that are not sinks.

    norms: [quantity, layer, token]. sinks: position to name.
    """
    others = [i for i in range(norms.shape[2]) if i not in sinks]
    frames = []
    for position, sink in sorted(sinks.items()):
        part = np.full(norms.shape[:2], np.nan)
        if others:
            part = norms[:, :, position] / np.median(norms[:, :, others], axis=2)
        frame = rows_of(dict(zip(QUANTITIES, part, strict=True)), layer=None)
        frames.append(frame.with_columns(sink=pl.lit(sink), position=pl.lit(position)))
    return pl.concat(frames)


def activations(states: tuple[Tensor, ...], encoded: Encoded) -> pl.DataFrame:
    """The LARGEST entries of every layer's state and all massive ones, largest first.

    states: [1, token, d] per layer. Massive: above MASSIVE, and above TIMES_MEDIAN times the median
    magnitude of the layer's state.
    """
    rows = []
    for layer, state in enumerate(states):
        size = state[0].float().abs().cpu()  # [token, d]
        median = float(np.median(size.numpy()))
        limit = max(MASSIVE, TIMES_MEDIAN * median)
        n_massive = int((size > limit).sum())
        for rank, (value, index) in enumerate(largest(size, max(LARGEST, n_massive))):
            position, dimension = divmod(index, size.shape[1])
            rows.append(
                {
                    "layer": layer,
                    "rank": rank,
                    "dimension": dimension,
                    "position": position,
                    "token": encoded.tokens[position],
                    "key_class": encoded.classes[position],
                    "activation": float(state[0, position, dimension]),
                    "median": median,
                    "is_massive": value > limit,
                }
            )
    return pl.DataFrame(rows)


def largest(size: Tensor, n: int) -> list[tuple[float, int]]:
    """(value, index in the flattened tensor) of the n largest entries. Ties go to the lowest index;
    topk would choose any of them."""
    flat = size.flatten()
    least = flat.topk(min(n, len(flat))).values[-1]
    indices = (flat >= least).nonzero()[:, 0]
    order = flat[indices].sort(descending=True, stable=True).indices[:n]
    return [(float(flat[index]), int(index)) for index in indices[order]]


def masses(forward: Pass, sets: dict[str, list[int]]) -> pl.DataFrame:
    """One row per layer and key set: n_keys, the plain mass and the norm-weighted mass."""
    plain, weighted = (forward.stacked(name)[:, 0].numpy() for name in ("mass", "norm_mass"))
    n_keys = np.broadcast_to([len(keys) for keys in sets.values()], plain.shape)
    columns = {"n_keys": n_keys, "mass": plain, "norm_mass": weighted}
    return rows_of(columns, layer=None, key_set=list(sets))


def measure(loaded: Loaded, task: Task) -> dict[str, pl.DataFrame]:
    """Frames by table name; `norms` (single positions) covers only the documents that the report
    shows."""
    shown_names = shown_documents(task)
    by_table: dict[str, list[pl.DataFrame]] = {}
    for document, encoded in readable(shortened(loaded, task), task):
        sets = {name: key_sets(encoded.classes)[name] for name in WEIGHTED_SETS}
        ids = torch.tensor([encoded.ids], device=loaded.device)
        forward = observe(loaded, ids, plan_of(ids, list(sets.values()), weighted=True))
        norms = norms_of(forward)
        frames = {
            "norm_ratios": ratios(norms, sinks_of(encoded)),
            "norm_weighted": masses(forward, sets),
            "activations": activations(forward.states, encoded),
        }
        if document.name in shown_names:
            frames["norms"] = by_position(norms, encoded)
        for name, frame in frames.items():
            by_table.setdefault(name, []).append(frame.with_columns(document=pl.lit(document.name)))
    return {name: pl.concat(parts) for name, parts in by_table.items()}
