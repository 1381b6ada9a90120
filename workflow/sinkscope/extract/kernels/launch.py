"""Run the statistics kernels over layers of one shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
import triton
from torch import Tensor

from sinkscope.extract.kernels.arguments import (
    TYPES,
    addresses,
    bias_arguments,
    constants,
    mask_arguments,
)
from sinkscope.extract.kernels.collect import masses_kernel, prepare_kernel, summary_kernel
from sinkscope.extract.kernels.edges import diagonals_kernel, neighbours_kernel, window_kernel
from sinkscope.extract.kernels.hopper_launch import launch_hopper, takes
from sinkscope.extract.kernels.inputs import ROWS, Inputs
from sinkscope.extract.kernels.means import means_kernel
from sinkscope.extract.kernels.pieces import SIZE, SPAN
from sinkscope.extract.kernels.room import NEAR_ROWS, Room
from sinkscope.extract.kernels.tiles import FIXED, statistics_kernel, tiles, tiling
from sinkscope.extract.masks import Call
from sinkscope.extract.plan import LayerStatistics, Plan
from sinkscope.keys import LOCAL_WIDTHS

KEYS = 1024  # keys that the last kernels take at a time


def launch(
    calls: Sequence[Call],
    lses: Sequence[Tensor],
    plan: Plan,
    inputs: Inputs,
    norms: Sequence[tuple[Tensor, Tensor]] = (),
    share: float = 1.0,
) -> LayerStatistics:
    """All statistics of the calls, which are alike but for their numbers, as [layer, batch, ...].

    lses: for each call the log-sum-exp of its rows, [batch, head, token]. norms: none, or for each
    call those of the values [batch, kv, token], and their mean under the attention, as lses.
    share: of the memory that head means usually take. Maps of single heads are left empty.
    """
    room = Room(calls, plan, inputs, with_norms=len(norms) > 0, share=share)
    n_layers, batch, n_heads, n_tokens = room.shape
    means = [mean for _, mean in norms] or lses
    queries, keys, sums_of, means_of = addresses(
        [call.query for call in calls], [call.key for call in calls], lses, means
    )
    prepare_kernel[(inputs.n_padded // ROWS, n_heads, n_layers * batch)](
        sums_of, means_of, inputs.real, room.sums, room.shares, room.fixed["broken"],
        n_tokens, n_heads, batch, inputs.n_padded,
        HAS_NORMS=len(norms) > 0, BLOCK=ROWS, num_warps=2,
    )  # fmt: skip
    device = room.sums.device
    if device.type == "cuda":  # Triton holds on to this, and so to all that it mentions
        triton.set_allocator(lambda size, *_: torch.empty(size, dtype=torch.int8, device=device))
    pointers = (queries, keys, room.sums)
    by_hopper = takes(calls, with_norms=len(norms) > 0)
    for rows in room.bands():
        if by_hopper:
            launch_hopper(calls, pointers, inputs, room.fixed, room.means, rows)
        else:
            launch_tiles(calls[0], pointers, inputs, room, rows)
        launch_means(calls[0], inputs, room, rows)
    launch_edges(calls[0], pointers, inputs, room)
    found = collect(room, inputs)
    if not norms:
        return found
    return replace(found, norm_mass=norm_mass(room, inputs, torch.stack([one for one, _ in norms])))


def norm_mass(room: Room, inputs: Inputs, norms: Tensor) -> Tensor:
    """[layer, batch, key_set] mass of attention weighted by norms [layer, batch, kv, key]."""
    _, batch, n_heads, n_tokens = room.shape
    weight = norms.repeat_interleave(n_heads // norms.shape[2], 2).double()
    received = room.fixed["norm_received"].double() * (weight / (FIXED.value * n_heads))
    bits = torch.arange(32, device=weight.device)[:, None]
    members = (inputs.in_sets.view(batch, -1, 1, inputs.n_padded) >> bits & 1).flatten(1, 2)
    members = members[:, : inputs.n_sets, :n_tokens].double()
    mass = torch.einsum("lbk,bsk->lbs", received.sum(2), members)
    return (mass / inputs.n_real[:, None]).float()


def shared_arguments(call: Call, inputs: Inputs) -> tuple[list[Any], list[Any], dict[str, Any]]:
    """Mask and bias, numbers, and constants, as all kernels take them."""
    mask, mask_strides, _, least = mask_arguments(call)
    bias, bias_strides = bias_arguments(call)
    batch, n_heads, n_tokens, _ = call.query.shape
    numbers = [
        *call.query.stride()[:3], *call.key.stride()[:3], *mask_strides, *bias_strides,
        least, call.scale, n_tokens, n_heads, batch, inputs.n_padded,
    ]  # fmt: skip
    return [mask, bias], numbers, {"TYPE": TYPES[call.query.dtype]} | constants(call)


def launch_tiles(
    call: Call, pointers: tuple[Tensor, ...], inputs: Inputs, room: Room, rows: range
) -> None:
    """The head means of some queries, and what keys receive from them."""
    n_layers, batch, _, n_tokens = room.shape
    both, numbers, shared = shared_arguments(call, inputs)
    blocks = tiling(shared["DP"], n_tokens, call.query.dtype)
    fixed = room.fixed
    found = tiles(
        n_tokens, rows, blocks, room.sums.device,
        is_causal=call.is_causal, all_checked=call.mask is not None,
    )  # fmt: skip
    for chosen, checked in zip(found, (False, True), strict=True):
        if len(chosen) == 0:
            continue
        statistics_kernel[(len(chosen), n_layers * batch)](
            *pointers, room.shares, *both, chosen, inputs.entropy_weight,
            fixed["received"], fixed["entropy"], fixed.get("norm_received", fixed["received"]),
            room.means, *numbers, rows.start, room.means.shape[2],
            HAS_NORMS="norm_received" in fixed, CHECKED=checked,
            BN=blocks.keys, BM=blocks.queries, STAGES=blocks.stages, HEADS=blocks.heads,
            num_warps=blocks.warps, maxnreg=blocks.registers, **shared,
        )  # fmt: skip


def launch_means(call: Call, inputs: Inputs, room: Room, rows: range) -> None:
    """Reduce the head means of some queries."""
    n_layers, batch, _, n_tokens = room.shape
    pieces, band = room.pieces, room.pieces.band(rows)
    at_once = SIZE // (pieces.rows.size * pieces.keys.size)
    n_spans = triton.cdiv(pieces.keys.n, SPAN * at_once)
    means_kernel[(len(band), n_spans, n_layers * batch)](
        room.means, inputs.in_sets, inputs.others, pieces.of_rows, pieces.of_keys,
        room.fixed["best"], room.fixed["second"], room.fixed["strict"], room.map_sums,
        rows.start, rows.stop, room.means.shape[2], band.start, pieces.rows.n, pieces.keys.n,
        n_tokens, batch, inputs.n_padded, inputs.n_sets,
        CAUSAL=call.is_causal, HAS_MAP=not room.exact,
        ROWS=pieces.rows.size, KEYS=pieces.keys.size, AT_ONCE=at_once, SPAN=SPAN * at_once,
        SETS=triton.next_power_of_2(max(inputs.n_sets, 1)), num_warps=1, maxnreg=128,
    )  # fmt: skip


def launch_edges(call: Call, pointers: tuple[Tensor, ...], inputs: Inputs, room: Room) -> None:
    n_layers, batch, n_heads, n_tokens = room.shape
    both, numbers, shared = shared_arguments(call, inputs)
    neighbours_kernel[(room.near.shape[3], n_heads, n_layers * batch)](
        *pointers, *both, inputs.counted, inputs.sinks, inputs.first, room.near, room.over_half,
        *numbers, BM=NEAR_ROWS, num_warps=1, **shared,
    )  # fmt: skip
    if inputs.offsets is not None:
        diagonals_kernel[(triton.cdiv(n_tokens, 32), n_heads, n_layers * batch)](
            *pointers, *both, inputs.offsets, room.diagonals, *numbers, len(inputs.offsets),
            BM=32, num_warps=4, **shared,
        )  # fmt: skip
    rows = 32 if call.query.dtype == torch.float32 or shared["DP"] > 128 else 64
    window_kernel[(triton.cdiv(n_tokens, rows), n_heads, n_layers * batch)](
        *pointers, *both, inputs.first, room.window_received, *numbers, inputs.window,
        BM=rows, BN=rows, num_warps=4, **shared,
    )  # fmt: skip


def collect(room: Room, inputs: Inputs) -> LayerStatistics:
    """The statistics; the sums they were made of are left behind."""
    n_layers, batch, n_heads, n_tokens = room.shape
    fixed = room.fixed

    def empty(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.empty((n_layers, batch, *shape), dtype=dtype, device=room.sums.device)

    found = {
        "sink_score": empty(n_heads, n_tokens),
        "window_score": empty(n_heads, n_tokens),
        "row_sum": empty(n_heads),
        "entropy": empty(n_heads),
        "over_half": empty(n_heads),
        "local": empty(n_heads, len(LOCAL_WIDTHS)),
        "local_no_sinks": empty(n_heads, len(LOCAL_WIDTHS)),
        "max_key": empty(n_tokens, dtype=torch.int64),
        "max_value": empty(n_tokens),
        "second_value": empty(n_tokens),
    }
    summary_kernel[(n_heads, n_layers * batch)](
        fixed["received"], fixed["entropy"], room.window_received, room.near, room.over_half,
        fixed["best"], fixed["second"], fixed["broken"], inputs.n_queries, inputs.n_window_queries,
        inputs.n_real, inputs.n_entropy, inputs.n_later, *found.values(),
        n_tokens, n_heads, batch, inputs.n_padded, room.near.shape[3],
        BLOCK=min(max(triton.next_power_of_2(n_tokens), 512), 4096), BLOCKS=256, num_warps=8,
    )  # fmt: skip
    mass, strict_mass = empty(inputs.n_sets), empty(inputs.n_sets)
    if inputs.n_sets:
        # In float64: the sum over heads would leave the range of the integers.
        of_all_heads = fixed["received"].sum(2, dtype=torch.float64)
        masses_kernel[(inputs.n_sets, n_layers * batch)](
            of_all_heads, fixed["strict"], inputs.in_sets, inputs.n_real, inputs.n_strict,
            mass, strict_mass, n_tokens, n_heads, batch, inputs.n_padded, BLOCK=KEYS, num_warps=4,
        )  # fmt: skip
    map_of = room.map()
    return LayerStatistics(
        **found,
        mass=mass,
        strict_mass=strict_mass,
        diagonals=room.diagonals,
        map=map_of,
        head_maps=empty(0, *map_of.shape[2:]),
    )
