"""Run the statistics kernels over layers of one shape, and what they leave behind."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
import triton
from torch import Tensor

from sinkscope.extract.kernels.arguments import (
    TYPES,
    addresses,
    bias_arguments,
    constants,
    mask_arguments,
)
from sinkscope.extract.kernels.collect import pool_kernel, prepare_kernel, scores_kernel
from sinkscope.extract.kernels.edges import diagonals_kernel, neighbours_kernel, window_kernel
from sinkscope.extract.kernels.tiles import Tiling, statistics_kernel, tiles, tiling
from sinkscope.extract.masks import Call, Visible
from sinkscope.extract.sums import Plan
from sinkscope.keys import LOCAL_WIDTHS

# Queries of a program of the kernel for neighbours: those of one warp, which waits for no other.
# Rows of sums are padded to a multiple of ROWS, so that no tile reads beyond them.
NEAR_ROWS = 16
ROWS = 256
SCORE_KEYS = 1024


class Inputs:
    """What the kernels read beside queries and keys; the same for all layers of a pass."""

    def __init__(self, plan: Plan, visible: Visible) -> None:
        self.plan = plan
        real, rank = plan.real, plan.rank()
        self.later = real & (rank > 0)
        self.n_padded = -(-real.shape[1] // ROWS) * ROWS
        self.first = real.int().argmax(1).int()  # [batch] position of each document's key 0
        self.n_real = real.double().sum(1)  # [batch]
        # A row that sees one key has no entropy.
        with_entropy = self.later & (visible.n_keys > 1)
        self.n_entropy = with_entropy.double().sum(1)
        self.entropy_weight = self.padded(with_entropy / visible.n_keys.clamp(min=2).log())
        self.n_queries = visible.n_queries.contiguous()
        self.n_window_queries = visible.n_window_queries.contiguous()
        members = (plan.key_sets & self.later[..., None]).transpose(1, 2)  # [batch, set, query]
        # The strict mass leaves out a set's own queries: these are summed, or the others,
        # whichever are fewer, so that no small difference of large sums is taken.
        n_members, self.n_later = members.sum(-1), self.later.sum(1)[:, None]
        self.of_others = n_members * 2 > self.n_later  # [batch, set]
        chosen = torch.where(self.of_others[..., None], self.later[:, None] & ~members, members)
        self.n_strict = (self.n_later - n_members).double()
        first = (real & ~self.later)[:, None]
        self.groups = self.padded(torch.cat([chosen, first], 1).float())
        self.key_sets = plan.key_sets.double()
        self.sinks, self.counted = plan.sinks.to(torch.uint8), self.later.to(torch.uint8)
        self.real_bytes = real.to(torch.uint8)
        self.offsets = None
        if plan.offsets:
            self.offsets = torch.tensor(plan.offsets, dtype=torch.int32, device=real.device)

    def padded(self, rows: Tensor) -> Tensor:
        return F.pad(rows, (0, self.n_padded - rows.shape[-1])).contiguous()


@dataclass(frozen=True)
class Raw:
    """What the kernels wrote of the layers of one group; `fixed` are integers, in steps of
    1 / FIXED.

    sink_score, window_score: [layer, batch, head, key]. parts: fixed [layer, batch, head, block,
    2], received and entropy. norm_received (None without norms): fixed [layer, batch, head, key].
    received: fixed [layer, batch, key], all heads together. best: [layer, batch, query] value
    bits and key of the largest head mean. group_received: fixed [layer, batch, group, key], from
    the queries of each group of the inputs. map: [layer, batch, cell, cell]. near: [layer, batch,
    head, block, 2, distance]. over_half: [layer, batch, head, block]. diagonals: [layer, batch,
    head, query, offset]. broken: [layer, batch, query], 1 where the logits are no numbers.
    """

    sink_score: Tensor
    window_score: Tensor
    parts: Tensor
    norm_received: Tensor | None
    received: Tensor
    best: Tensor
    group_received: Tensor
    map: Tensor
    near: Tensor
    over_half: Tensor
    diagonals: Tensor
    broken: Tensor


def launch(
    calls: Sequence[Call],
    lses: Sequence[Tensor],
    inputs: Inputs,
    weighted: Sequence[Tensor] | None = None,
    wanted: Tiling | None = None,
) -> Raw:
    """All statistics of the calls, which are alike but for their numbers.

    lses, weighted: for each call [batch, head, token], log-sum-exp of the rows and mean norm of
    the values under the attention. wanted: blocks to use in place of those that fit the head.
    """
    room = Room(calls, inputs, with_norms=weighted is not None)
    batch, n_heads, n_tokens, _ = calls[0].query.shape
    queries, keys, sums_of, weighted_of = addresses(
        [call.query for call in calls], [call.key for call in calls], lses, weighted or lses
    )
    grid = (triton.cdiv(inputs.n_padded, ROWS), n_heads, len(calls) * batch)
    prepare_kernel[grid](
        sums_of, weighted_of, inputs.real_bytes, room.sums, room.shares, room.fixed["broken"],
        n_tokens, n_heads, batch, inputs.n_padded,
        HAS_NORMS=weighted is not None, BLOCK=ROWS, num_warps=2,
    )  # fmt: skip
    if room.sums.is_cuda:  # where descriptors of tensors are kept
        triton.set_allocator(lambda size, *_: room.sums.new_empty(size, dtype=torch.int8))
    pointers = (queries, keys, room.sums)
    launch_tiles(calls[0], pointers, inputs, room, wanted)
    launch_edges(calls[0], pointers, inputs, room)
    return collect(room, inputs)


class Room:
    """Where the kernels write. fixed: the sums, which begin at 0, by name."""

    def __init__(self, calls: Sequence[Call], inputs: Inputs, *, with_norms: bool) -> None:
        plan, device = inputs.plan, calls[0].query.device
        batch, n_heads, n_tokens, _ = calls[0].query.shape
        rows = (len(calls), batch, n_heads, n_tokens)
        self.shape = rows
        self.exact = n_tokens <= max(plan.map_exact, plan.map_cells)
        self.n_cells = n_tokens if self.exact else plan.map_cells
        shapes = {
            "received": rows,
            "entropy": rows,
            "best": (len(calls), batch, n_tokens),
            "broken": (len(calls), batch, n_tokens),
            "group_received": (len(calls), batch, inputs.groups.shape[1], n_tokens),
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


def collect(room: Room, inputs: Inputs) -> Raw:
    """Scores and maps of the sums; what is large and no result is left behind."""
    n_layers, batch, n_heads, n_tokens = room.shape
    both = (n_layers * batch, n_tokens)
    fixed = room.fixed
    sink_score, window_score = (torch.empty_like(room.window_received) for _ in range(2))
    n_blocks = triton.cdiv(n_tokens, SCORE_KEYS)
    parts = fixed["received"].new_empty(n_layers, batch, n_heads, n_blocks, 2)
    scores_kernel[(n_blocks, n_heads, both[0])](
        fixed["received"], fixed["entropy"], room.window_received,
        inputs.n_queries, inputs.n_window_queries, sink_score, window_score, parts,
        n_tokens, n_heads, batch, BLOCK=SCORE_KEYS, num_warps=4,
    )  # fmt: skip
    if not room.exact:
        width = triton.next_power_of_2(triton.cdiv(n_tokens, room.n_cells))
        cells = max(1, 2048 // width)
        grid = (room.n_cells, triton.cdiv(room.n_cells, cells), both[0])
        pool_kernel[grid](
            fixed["map"], room.map, n_tokens, room.n_cells, WIDTH=width, CELLS=cells, num_warps=4
        )
    return Raw(
        sink_score=sink_score,
        window_score=window_score,
        parts=parts,
        norm_received=fixed.get("norm_received"),
        received=fixed["received"].sum(2),
        best=fixed["best"],
        group_received=fixed["group_received"],
        map=room.map,
        near=room.near,
        over_half=room.over_half,
        diagonals=room.diagonals,
        broken=fixed["broken"],
    )


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
    call: Call, pointers: tuple[Tensor, ...], inputs: Inputs, room: Room, wanted: Tiling | None
) -> None:
    n_layers, batch, _, n_tokens = room.shape
    both, numbers, shared = shared_arguments(call, inputs)
    blocks = wanted or tiling(shared["DP"], call.query.dtype)
    fixed = room.fixed
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
            inputs.groups.shape[1], room.n_cells,
            HAS_NORMS="norm_received" in fixed, EXACT_MAP=room.exact, CHECKED=checked,
            BN=blocks.keys, BM=blocks.queries, NQ=1 if checked else blocks.parts,
            STAGES=blocks.stages, HOIST=blocks.hoist, HEADS=blocks.heads, num_warps=blocks.warps, maxnreg=blocks.registers, **shared,
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
        *pointers, *both, inputs.first, room.window_received, *numbers, inputs.plan.window,
        BM=rows, BN=rows, num_warps=4, **shared,
    )  # fmt: skip
