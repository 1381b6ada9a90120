"""From one observed forward pass to a cell per document.

A batch may be padded on either side. What a cell holds is its document's alone: positions count
from its first token, and nothing of the padding is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sinkscope.config import Settings
from sinkscope.errors import ModelError, SinkscopeError
from sinkscope.extract.cell import Cell
from sinkscope.extract.encode import Encoded
from sinkscope.extract.observation import Observation
from sinkscope.extract.plan import LayerStatistics, Plan
from sinkscope.keys import KEY_SETS, key_sets

# Arrays of a cell that are float32 as they come.
NUMBERS = (
    "max_value", "second_value", "sink_score", "window_score", "entropy", "row_sum", "over_half",
    "local", "local_no_sinks",
)  # fmt: skip
BY_QUERY = ("max_key", "max_value", "second_value")  # [layer, query]
BY_KEY = ("sink_score", "window_score", "n_queries", "n_window_queries")  # [layer, ..., key]
MAPS = ("map", "head_map")  # [..., cell, cell]


def members_of(encoded: Sequence[Encoded], real: Tensor | None = None) -> Tensor:
    """[document, token, key_set] bool: the KEY_SETS that each token is in.

    real: [document, token] bool, False at padding; None where all documents have one length.
    """
    starts = [0] * len(encoded) if real is None else real.int().argmax(1).tolist()
    n_tokens = len(encoded[0].ids) if real is None else real.shape[1]
    members = torch.zeros(len(encoded), n_tokens, len(KEY_SETS), dtype=torch.bool)
    for i, (start, one) in enumerate(zip(starts, encoded, strict=True)):
        for place, positions in enumerate(key_sets(one.classes).values()):
            members[i, [start + position for position in positions], place] = True
    return members


def plan_of(
    distinct: Tensor,
    column: Tensor,
    settings: Settings,
    heads: tuple[tuple[int, int], ...] = (),
    real: Tensor | None = None,
) -> Plan:
    """distinct: [document, token, set] bool, the key sets; column: for each of KEY_SETS its column
    among them. real: as in members_of."""
    if real is None:
        real = torch.ones(distinct.shape[:2], dtype=torch.bool)
    return Plan(
        real=real,
        key_sets=distinct,
        sinks=distinct[..., column[KEY_SETS.index("sinks")]],
        window=settings.window,
        map_exact=settings.map_exact,
        map_cells=settings.map_cells,
        heads=heads,
    )


class LazyMaps(dict[str, np.ndarray]):
    """The arrays of a document whose maps stay on the device until one of them is asked for: they
    are most of the bytes, and a training loop may want none."""

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        super().__init__({name: array for name, array in arrays.items() if name not in MAPS})
        self._on_device: dict[str, Tensor] = {k: arrays[k] for k in MAPS if k in arrays}

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or name in self._on_device

    def __missing__(self, name: str) -> np.ndarray:
        self[name] = self._on_device.pop(name).cpu().numpy()
        return self[name]


def arrays_of(
    layers: LayerStatistics, observation: Observation, column: Tensor, *, lazy_maps: bool = False
) -> list[dict[str, np.ndarray]]:
    """For each document its arrays, [layer, ...]. layers: stacked, [layer, batch, ...].
    column: for each of KEY_SETS its column among those of the plan. lazy_maps: as in LazyMaps."""
    arrays: dict[str, Any] = {name: getattr(layers, name).float().cpu().numpy() for name in NUMBERS}
    for name in ("mass", "strict_mass"):
        arrays[name] = getattr(layers, name).float().cpu()[..., column].numpy()
    arrays["max_key"] = layers.max_key.int().cpu().numpy()
    maps: list[Any] = [layers.map.half(), layers.head_maps.half()]
    if not lazy_maps:
        maps = [one.cpu().numpy() for one in maps]
    # [layer, batch, cell, cell]; [batch, wanted head, cell, cell]
    arrays["map"], head_map = maps
    for name in ("n_queries", "n_window_queries"):
        counts = [getattr(layer, name).int().cpu() for layer in observation.visible_of]
        arrays[name] = torch.stack(counts).numpy()  # [layer, batch, key]
    rows = [
        trimmed(
            {name: values[:, i] for name, values in arrays.items()} | {"head_map": head_map[i]},
            real,
            observation.plan,
        )
        for i, real in enumerate(observation.plan.real.cpu().numpy())
    ]
    return [LazyMaps(row) for row in rows] if lazy_maps else rows


def trimmed(arrays: dict[str, Any], real: np.ndarray, plan: Plan) -> dict[str, Any]:
    """One document without its padding. real: [token] bool.

    A map in blocks of a padded document would mix tokens and padding: it is left out.
    """
    if not real.all():
        start, stop = np.flatnonzero(real)[[0, -1]] + (0, 1)
        tokens = slice(start, stop)
        arrays = arrays | {name: arrays[name][:, tokens] for name in BY_QUERY}
        arrays |= {name: arrays[name][..., tokens] for name in BY_KEY}
        arrays["max_key"] = arrays["max_key"] - start
        exact = plan.exact(len(real))
        for name in MAPS:
            whole = arrays.pop(name)
            if exact:
                arrays[name] = whole[..., tokens, tokens]
    # A causal window ends long before its document does.
    last = np.flatnonzero(arrays["n_window_queries"].any(0)).max() + 1
    for name in ("window_score", "n_window_queries"):
        arrays[name] = arrays[name][..., :last]
    return arrays


def check_numbers(model: str, document: str, dtype: str, max_value: np.ndarray) -> None:
    """max_value: [layer, query]. Raises SinkscopeError where one is no number."""
    for layer, values in enumerate(max_value):
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
    """One document's part of a pass. Raises SinkscopeError for attention that is no number."""
    check_numbers(model, document, dtype, arrays["max_value"])
    meta = {
        "model": model,
        "document": document,
        "tokens": encoded.tokens,
        "classes": encoded.classes,
        "n_tokens_full": encoded.n_tokens_full,
        "window": observation.plan.window,
        "is_causal": observation.is_causal,
        "heads": [f"{layer}/{head}" for layer, head in observation.plan.heads],
        "path": " and ".join(sorted(observation.paths)),
    }
    return Cell(meta, arrays)


def checked_heads(
    wanted: Sequence[tuple[int, int]], model: str, n_layers: int, n_heads: int, where: str
) -> tuple[tuple[int, int], ...]:
    """The (layer, head) pairs, sorted. where: names their source in errors.

    Raises ModelError for one that the model does not have.
    """
    for layer, head in wanted:
        if not (0 <= layer < n_layers and 0 <= head < n_heads):
            raise ModelError(
                f"{where} '{model}/{layer}/{head}', but the model has layers 0 to {n_layers - 1} "
                f"and heads 0 to {n_heads - 1}; correct it."
            )
    return tuple(sorted(set(wanted)))
