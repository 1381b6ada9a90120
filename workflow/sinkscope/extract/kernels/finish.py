"""From what the kernels wrote to the statistics of every layer."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sinkscope.extract.kernels.launch import Inputs, Raw
from sinkscope.extract.kernels.tiles import FIXED, LAST_KEY
from sinkscope.extract.sums import LayerStatistics, block_weights

STEP = 1.0 / FIXED.value


def finish(raw: Raw, inputs: Inputs, head_maps: dict[int, Tensor]) -> list[LayerStatistics]:
    """The statistics of each layer; head_maps: by layer, [batch, wanted head, cell, cell]."""
    n_layers, _, n_heads, _ = raw.received.shape
    visible = inputs.visible
    received = raw.received.double() * STEP  # [layer, batch, head, key]
    n_real = inputs.n_real[:, None]  # [batch, 1]
    key_sets = inputs.plan.key_sets.double()
    mean_received = received.sum(2) / n_heads  # [layer, batch, key]
    near = raw.near.sum(3, dtype=torch.float64)  # [layer, batch, head, 2, distance]
    local = near.cumsum(-1)[..., 1:] / n_real[..., None, None]  # [layer, batch, head, 2, width]
    mass = torch.einsum("lbk,bks->lbs", mean_received, key_sets)
    max_value = (raw.best >> 32).int().view(torch.float32)
    statistics = {
        "max_key": LAST_KEY.value - (raw.best & LAST_KEY.value),
        "max_value": max_value.masked_fill(raw.broken, math.nan),
        "sink_score": (received / visible.n_queries[:, None]).float(),
        "window_score": (raw.window_received / visible.n_window_queries[:, None]).float(),
        "mass": (mass / n_real).float(),
        "strict_mass": strict_mass(raw, inputs, mass, key_sets),
        "entropy": (
            raw.entropy.sum(-1).double() * (-math.log(2) * STEP)
            / inputs.with_entropy.double().sum(1)[:, None]
        ).float(),
        "row_sum": (received.sum(-1) / n_real).float(),
        "over_half": raw.over_half.sum(-1) / inputs.later.sum(1)[:, None],
        "local": local[..., 0, :].float(),
        "local_no_sinks": local[..., 1, :].float(),
        "diagonals": raw.diagonals,
        "map": maps(raw),
    }
    nothing = raw.map.new_empty(raw.map.shape[1], 0, *statistics["map"].shape[2:]).float()
    return [
        LayerStatistics(
            **{name: values[i] for name, values in statistics.items()},
            head_maps=head_maps.get(i, nothing),
        )
        for i in range(n_layers)
    ]


def strict_mass(raw: Raw, inputs: Inputs, mass: Tensor, key_sets: Tensor) -> Tensor:
    """[layer, batch, key_set] mass from the queries that are neither in the set nor the first.

    mass: [layer, batch, key_set] from all queries, summed.
    """
    grouped = raw.group_received.double() * STEP  # [layer, batch, group, key]
    counted = torch.einsum("lbsk,bks->lbs", grouped[:, :, :-1], key_sets)
    first = torch.einsum("lbk,bks->lbs", grouped[:, :, -1], key_sets)
    others = torch.where(inputs.of_others, counted, mass - first - counted)
    return (others / inputs.n_strict).float()


def maps(raw: Raw) -> Tensor:
    """[layer, batch, cell, cell] float32."""
    if raw.map.dtype == torch.float32:
        return raw.map
    n_cells, n_tokens = raw.map.shape[-2:]
    pool = block_weights(n_tokens, n_cells, raw.map.device)  # [cell, token]
    size = pool.count_nonzero(-1)[:, None]
    return ((raw.map.double() * STEP) / size).float() @ pool.T
