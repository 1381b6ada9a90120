"""From what the kernels wrote to the statistics of every layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields

import torch
from torch import Tensor

from sinkscope.extract.kernels.launch import Inputs, Raw
from sinkscope.extract.kernels.tiles import FIXED, LAST_KEY
from sinkscope.extract.sums import LayerStatistics

STEP = 1.0 / FIXED.value


def joined(parts: Sequence[Raw]) -> Raw:
    """Groups of layers, one after the other."""
    if len(parts) == 1:
        return parts[0]
    found = {}
    for field in fields(Raw):
        values = [getattr(part, field.name) for part in parts]
        found[field.name] = None if values[0] is None else torch.cat(values)
    return Raw(**found)


def finish(raw: Raw, inputs: Inputs) -> list[LayerStatistics]:
    """The statistics of each layer, without maps of single heads."""
    n_heads = raw.sink_score.shape[2]
    n_real = inputs.n_real[:, None]  # [batch, 1]
    totals = raw.parts.sum(3).double() * STEP  # [layer, batch, head, 2]
    near = raw.near.sum(3, dtype=torch.float64)  # [layer, batch, head, 2, distance]
    local = (near.cumsum(-1)[..., 1:] / n_real[..., None, None]).float()  # [.., 2, width]
    mass, strict_mass = masses(raw, inputs, n_heads)
    max_value = (raw.best >> 32).int().view(torch.float32)
    statistics = {
        "max_key": LAST_KEY.value - (raw.best & LAST_KEY.value),
        "max_value": max_value.masked_fill(raw.broken != 0, math.nan),
        "sink_score": raw.sink_score,
        "window_score": raw.window_score,
        "mass": mass,
        "strict_mass": strict_mass,
        "entropy": (totals[..., 1] * -math.log(2) / inputs.n_entropy[:, None]).float(),
        "row_sum": (totals[..., 0] / n_real).float(),
        "over_half": raw.over_half.sum(-1) / inputs.n_later,
        "local": local[..., 0, :],
        "local_no_sinks": local[..., 1, :],
        "diagonals": raw.diagonals,
        "map": raw.map,
        "head_maps": raw.map[:, :, None][:, :, :0],
    }
    layers = zip(*(values.unbind(0) for values in statistics.values()), strict=True)
    return [LayerStatistics(**dict(zip(statistics, layer, strict=True))) for layer in layers]


def masses(raw: Raw, inputs: Inputs, n_heads: int) -> tuple[Tensor, Tensor]:
    """Mass and strict mass, both [layer, batch, key_set].

    The strict mass is that from the queries that are neither in the set nor the first.
    """
    received = raw.received[:, :, None].double() * (STEP / n_heads)
    rows = torch.cat([received, raw.group_received.double() * STEP], 2)  # [.., 1 + group, key]
    to_sets = rows @ inputs.key_sets  # [layer, batch, 1 + group, key_set]
    mass, first = to_sets[:, :, 0], to_sets[:, :, -1]
    counted = to_sets[:, :, 1:-1].diagonal(dim1=-2, dim2=-1)
    strict = torch.where(inputs.of_others, counted, mass - first - counted)
    return (mass / inputs.n_real[:, None]).float(), (strict / inputs.n_strict).float()
