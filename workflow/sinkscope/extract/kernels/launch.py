"""Run the statistics kernels over layers of one shape."""

from __future__ import annotations

import math
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
from sinkscope.extract.kernels.collect import (
    masses_kernel,
    pool_kernel,
    prepare_kernel,
    summary_kernel,
)
from sinkscope.extract.kernels.edges import diagonals_kernel, neighbours_kernel, window_kernel
from sinkscope.extract.kernels.hopper_launch import launch_hopper, takes
from sinkscope.extract.kernels.inputs import ROWS, Inputs
from sinkscope.extract.kernels.tiles import FIXED, statistics_kernel, tiles, tiling
from sinkscope.extract.masks import Call
from sinkscope.extract.sums import LayerStatistics, Plan
from sinkscope.keys import LOCAL_WIDTHS

NEAR_ROWS = 16  # queries of a program of the kernel for neighbours: one warp waits for no other
KEYS = 1024  # keys that the last kernels take at a time


def launch(
    calls: Sequence[Call],
    lses: Sequence[Tensor],
    plan: Plan,
    inputs: Inputs,
    norms: Sequence[tuple[Tensor, Tensor]] = (),
) -> LayerStatistics:
    """All statistics of the calls, which are alike but for their numbers, as [layer, batch, ...].

    lses: for each call the log-sum-exp of its rows, [batch, head, token]. norms: none, or for each
    call those of the values [batch, kv, token], and their mean under the attention, as lses.
    Maps of single heads are left empty.
    """
    room = Room(calls, plan, inputs, with_norms=len(norms) > 0)
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
    if room.sums.is_cuda:  # where descriptors of tensors are kept
        triton.set_allocator(lambda size, *_: room.sums.new_empty(size, dtype=torch.int8))
    pointers = (queries, keys, room.sums)
    if takes(calls, with_norms=len(norms) > 0):
        launch_hopper(
            calls, pointers, inputs, room.fixed, room.map if room.exact else None, room.n_cells,
            even_cell(room.shape[3], room.n_cells),
        )  # fmt: skip
    else:
        launch_tiles(calls[0], pointers, inputs, room)
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
    members = inputs.members.view(batch, inputs.n_sets, -1)[..., :n_tokens].double()
    mass = torch.einsum("lbk,bsk->lbs", received.sum(2), members)
    return (mass / inputs.n_real[:, None]).float()


class Room:
    """Where the kernels write. fixed: sums in steps of 1 / FIXED, which begin at 0, by name."""

    def __init__(
        self, calls: Sequence[Call], plan: Plan, inputs: Inputs, *, with_norms: bool
    ) -> None:
        device = calls[0].query.device
        batch, n_heads, n_tokens, _ = calls[0].query.shape
        self.shape = rows = (len(calls), batch, n_heads, n_tokens)
        self.exact = n_tokens <= max(plan.map_exact, plan.map_cells)
        self.n_cells = n_tokens if self.exact else plan.map_cells
        shapes = {
            "received": rows,
            "entropy": rows,
            "best": (len(calls), batch, n_tokens),
            "broken": (len(calls), batch, n_tokens),
            "group_received": (len(calls), batch, inputs.n_sets + 1, n_tokens),
        }
        if not self.exact:
            shapes["map"] = (len(calls), batch, self.n_cells, n_tokens)
        if with_norms:
            shapes["norm_received"] = rows
        sizes = [math.prod(shape) for shape in shapes.values()]
        flat = torch.zeros(sum(sizes), dtype=torch.int64, device=device).split(sizes)
        self.fixed = {
            name: part.view(shapes[name]) for name, part in zip(shapes, flat, strict=True)
        }

        def empty(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.empty(shape, dtype=dtype, device=device)

        self.sums = empty(*rows[:3], inputs.n_padded)
        self.shares = empty(*rows[:3], inputs.n_padded) if with_norms else self.sums
        # A causal map is written below its diagonal only.
        cells = (len(calls), batch, self.n_cells, self.n_cells)
        self.map = torch.zeros(cells, device=device) if self.exact else empty(*cells)
        blocks = (*rows[:3], triton.cdiv(n_tokens, NEAR_ROWS))
        self.near = empty(*blocks, 2, LOCAL_WIDTHS[-1] + 1)
        self.over_half = empty(*blocks, dtype=torch.int32)
        self.diagonals = empty(*rows, len(plan.offsets))
        self.window_received = empty(*rows)


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


def launch_tiles(call: Call, pointers: tuple[Tensor, ...], inputs: Inputs, room: Room) -> None:
    n_layers, batch, _, n_tokens = room.shape
    both, numbers, shared = shared_arguments(call, inputs)
    blocks = tiling(shared["DP"], n_tokens, call.query.dtype)
    fixed, cell = room.fixed, even_cell(n_tokens, room.n_cells)
    found = tiles(
        n_tokens, blocks, room.sums.device,
        is_causal=call.is_causal, all_checked=call.mask is not None,
    )  # fmt: skip
    for chosen, checked in zip(found, (False, True), strict=True):
        if len(chosen) == 0:
            continue
        statistics_kernel[(len(chosen), n_layers * batch)](
            *pointers, room.shares, *both, chosen, inputs.entropy_weight, inputs.groups,
            fixed["received"], fixed["entropy"], fixed.get("norm_received", fixed["received"]),
            fixed["best"], fixed["group_received"], fixed.get("map", room.map), *numbers,
            inputs.n_sets + 1, room.n_cells,
            HAS_NORMS="norm_received" in fixed, EXACT_MAP=room.exact, CHECKED=checked,
            CELL=cell if blocks.queries % max(cell, 1) == 0 else 0,
            BN=blocks.keys, BM=blocks.queries, STAGES=blocks.stages, HEADS=blocks.heads,
            num_warps=blocks.warps, maxnreg=blocks.registers, **shared,
        )  # fmt: skip


def even_cell(n_tokens: int, n_cells: int) -> int:
    """Queries of a cell of the map where all have as many, else 0."""
    size, rest = divmod(n_tokens, n_cells)
    return size if rest == 0 else 0


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
    }
    summary_kernel[(n_heads, n_layers * batch)](
        fixed["received"], fixed["entropy"], room.window_received, room.near, room.over_half,
        fixed["best"], fixed["broken"], inputs.n_queries, inputs.n_window_queries,
        inputs.n_real, inputs.n_entropy, inputs.n_later, *found.values(),
        n_tokens, n_heads, batch, inputs.n_padded, room.near.shape[3],
        BLOCK=KEYS, BLOCKS=64, num_warps=4,
    )  # fmt: skip
    mass, strict_mass = empty(inputs.n_sets), empty(inputs.n_sets)
    if inputs.n_sets:
        # In float64: the sum over heads would leave the range of the integers.
        of_all_heads = fixed["received"].sum(2, dtype=torch.float64)
        masses_kernel[(inputs.n_sets, n_layers * batch)](
            of_all_heads, fixed["group_received"], inputs.members, inputs.of_others,
            inputs.n_real, inputs.n_strict, mass, strict_mass,
            n_tokens, n_heads, batch, inputs.n_padded, inputs.n_sets, BLOCK=KEYS, num_warps=4,
        )  # fmt: skip
    if not room.exact:
        width = triton.next_power_of_2(triton.cdiv(n_tokens, room.n_cells))
        cells = max(1, 2048 // width)
        grid = (room.n_cells, triton.cdiv(room.n_cells, cells), n_layers * batch)
        pool_kernel[grid](
            fixed["map"], room.map, n_tokens, room.n_cells, WIDTH=width, CELLS=cells, num_warps=4
        )
    return LayerStatistics(
        **found,
        mass=mass,
        strict_mass=strict_mass,
        diagonals=room.diagonals,
        map=room.map,
        head_maps=empty(0, *room.map.shape[2:]),
    )
