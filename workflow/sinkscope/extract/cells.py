"""From one observed forward pass to a cell per document.

A batch may be padded on either side. A cell holds no padding: its positions count from the first
token of its document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sinkscope.config import Settings
from sinkscope.declarations.registry import added, statistics
from sinkscope.declarations.statistic import Statistic
from sinkscope.errors import ModelError, SinkscopeError
from sinkscope.extract.cell import Cell
from sinkscope.extract.encode import Encoded
from sinkscope.extract.masks import Visible
from sinkscope.extract.observation import Observation
from sinkscope.extract.plan import Facts, LayerStatistics, Plan
from sinkscope.words import spans

MAPS = tuple(one.name for one in statistics() if "cell" in one.axes)  # [..., cell, cell]


def plan_of(
    distinct: Tensor,
    settings: Settings,
    heads: tuple[tuple[int, int], ...] = (),
    real: Tensor | None = None,
) -> Plan:
    """distinct: [document, token, set] bool, the key sets. real: as in codes_of."""
    if real is None:
        real = torch.ones(distinct.shape[:2], dtype=torch.bool)
    return Plan(
        real=real,
        key_sets=distinct,
        rule=settings.rule,
        window=settings.window,
        map_exact=settings.map_exact,
        map_cells=settings.map_cells,
        heads=heads,
        added=added(),
    )


class LazyMaps(dict[str, np.ndarray]):
    """The arrays of a document. Maps, most of the bytes, stay on the device until one of them is
    read: a training loop may not need them."""

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        super().__init__({name: array for name, array in arrays.items() if name not in MAPS})
        self._on_device: dict[str, Tensor] = {k: arrays[k] for k in MAPS if k in arrays}

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or name in self._on_device

    def __missing__(self, name: str) -> np.ndarray:
        self[name] = self._on_device.pop(name).cpu().numpy()
        return self[name]


def arrays_of(
    layers: LayerStatistics,
    observation: Observation,
    column: Tensor | None,
    *,
    lazy_maps: bool = False,
) -> list[dict[str, np.ndarray]]:
    """The arrays of each document, [layer, ...]. layers: stacked, [layer, batch, ...]. column: for
    each of LISTED_SETS its column among those of the plan; None if the plan's sets are LISTED_SETS.
    lazy_maps: as in LazyMaps."""
    arrays: dict[str, Any] = {
        one.name: array_of(one, layers, observation, column)
        for one in statistics()
        if one.name not in MAPS
    }
    n_documents = len(observation.plan.real)
    rows = [{name: values[:, i] for name, values in arrays.items()} for i in range(n_documents)]
    if observation.plan.has_maps:
        # [layer, batch, cell, cell]; [batch, wanted head, cell, cell]
        maps: list[Any] = [layers.map.half(), layers.head_maps.half()]
        if not lazy_maps:
            maps = [one.cpu().numpy() for one in maps]
        for i, row in enumerate(rows):
            row |= {"map": maps[0][:, i], "head_map": maps[1][i]}
    of_real = observation.plan.real.cpu().numpy()
    rows = [trimmed(row, real, observation.plan) for row, real in zip(rows, of_real, strict=True)]
    return [LazyMaps(row) for row in rows] if lazy_maps else rows


def array_of(
    one: Statistic, layers: LayerStatistics, observation: Observation, column: Tensor | None
) -> np.ndarray:
    """[layer, batch, ...]: one statistic, all layers."""
    if one.axes[-1] == "key_set":
        judged = is_judged(observation.plan, observation.counts("n_queries"))
        return tensor_of(one, layers, observation, column, judged).cpu().numpy()
    return tensor_of(one, layers, observation, column).cpu().numpy()


def tensor_of(
    one: Statistic,
    layers: LayerStatistics,
    observation: Observation,
    column: Tensor | None,
    judged: Tensor | None = None,
) -> Tensor:
    """The same on its device. judged: [layer, batch] bool, see is_judged; of statistics of key sets
    only."""
    if one in observation.plan.added:
        assert layers.added is not None
        values = layers.added[..., observation.plan.added.index(one)]
    elif one.name in Visible.__dataclass_fields__:
        values = observation.counts(one.name)
    else:
        values = getattr(layers, one.name)
    if one.axes[-1] == "key_set":  # KEY_SETS: the listed ones, and the sinks of each layer
        of_sinks = layers.sink_mass if one.name == "mass" else layers.strict_sink_mass
        assert of_sinks is not None
        assert judged is not None
        of_sinks = of_sinks.masked_fill(~judged.to(of_sinks.device), torch.nan)
        if column is not None:
            values = values[..., column.to(values.device)]
        values = torch.cat([values, of_sinks[..., None]], -1)
    return values.to(getattr(torch, one.type))


def is_judged(plan: Plan, n_queries: Tensor) -> Tensor:
    """[..., batch] bool: whether any key of the document can be a sink by the rule. n_queries:
    [..., batch, key]."""
    assert plan.rule is not None
    least = 1 if plan.rule.by == "state_cosine" else plan.rule.n_queries
    return (n_queries >= least).any(-1)


def trimmed(arrays: dict[str, Any], real: np.ndarray, plan: Plan) -> dict[str, Any]:
    """The arrays of one document without its padding. real: [token] bool.

    A block-averaged map of a padded document would mix tokens and padding, so it is left out.
    """
    if not real.all():
        start, stop = np.flatnonzero(real)[[0, -1]] + (0, 1)
        if not plan.exact(len(real)):
            arrays = {name: array for name, array in arrays.items() if name not in MAPS}
        over_tokens = {"query", "key", "cell"}
        for one in statistics():
            if one.name in arrays:
                slices = [
                    slice(start, stop) if ax in over_tokens else slice(None) for ax in one.axes
                ]
                arrays[one.name] = arrays[one.name][tuple(slices)]
        arrays["max_key"] = arrays["max_key"] - start
    # A causal window ends long before its document does.
    last = np.flatnonzero(arrays["n_window_queries"].any(0)).max() + 1
    for name in ("window_score", "n_window_queries"):
        arrays[name] = arrays[name][..., :last]
    return arrays


def check_numbers(
    model: str, document: str, dtype: str, max_value: np.ndarray, layers: Sequence[int]
) -> None:
    """max_value: [layer, query]. Raises SinkscopeError if one is not a finite number."""
    for layer, values in zip(layers, max_value, strict=True):
        if not np.isfinite(values).all():
            raise SinkscopeError(
                f"document '{document}': model '{model}' computes NaN or infinite attention "
                f"logits in layer {layer} with dtype {dtype}; use float32, or check the weights.",
                document,
            )


def cell_of(
    model: str,
    document: str,
    dtype: str,
    encoded: Encoded,
    arrays: dict[str, np.ndarray],
    observation: Observation,
) -> Cell:
    """One document's part of a pass. Raises SinkscopeError for attention that is not finite."""
    layers = observation.layer_of
    check_numbers(model, document, dtype, arrays["max_value"], layers)
    for layer, head in observation.plan.heads:
        if layer not in layers:
            raise ModelError(
                f"model '{model}': layer {layer} has no attention, so head {layer}/{head} has no "
                f"map; layers with attention are {spans(layers)}."
            )
    meta = meta_of(model, document, encoded, observation.facts, is_causal=observation.is_causal)
    if "map" in arrays and encoded.gaps is not None:  # the report shows the running text
        meta["gaps"] = encoded.gaps
    return Cell(meta, arrays)


def meta_of(
    model: str, document: str, encoded: Encoded, facts: Facts, *, is_causal: bool
) -> dict[str, Any]:
    return {
        "model": model,
        "document": document,
        "tokens": encoded.tokens,
        "classes": encoded.classes,
        "n_tokens_full": encoded.n_tokens_full,
        "window": facts.plan.window,
        "sink_rule": vars(facts.plan.rule),
        "is_causal": is_causal,
        "layers": list(facts.layer_of),
        "heads": [f"{layer}/{head}" for layer, head in facts.plan.heads],
        "path": " and ".join(facts.paths),
    }


def checked_heads(
    heads: Sequence[tuple[int, int]], model: str, n_layers: int, n_heads: int, where: str
) -> tuple[tuple[int, int], ...]:
    """The (layer, head) pairs, sorted. where: names their source in errors.

    Raises ModelError for a pair that the model does not have.
    """
    for layer, head in heads:
        if not (0 <= layer < n_layers and 0 <= head < n_heads):
            raise ModelError(
                f"{where} '{model}/{layer}/{head}', but the model has layers 0 to {n_layers - 1} "
                f"and heads 0 to {n_heads - 1}; correct it."
            )
    return tuple(sorted(set(heads)))
