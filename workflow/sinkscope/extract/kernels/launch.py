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
from sinkscope.extract.kernels.edges import neighbours_kernel, window_kernel
from sinkscope.extract.kernels.logits import HIDDEN, LOG2E
from sinkscope.extract.kernels.tiles import Tiling, statistics_kernel, tiles, tiling
from sinkscope.extract.masks import Call, Visible
from sinkscope.extract.sums import Plan
from sinkscope.keys import LOCAL_WIDTHS

# Queries of a program of the kernel for neighbours; rows are padded to a multiple of ROWS.
NEAR_ROWS = 32
ROWS = 256


class Inputs:
    """What the kernels read beside queries and keys; the same for all layers of a pass."""

    def __init__(self, plan: Plan, visible: Visible) -> None:
        self.plan, self.visible = plan, visible
        self.real, rank = plan.real, plan.rank()
        self.later = self.real & (rank > 0)
        self.n_padded = -(-self.real.shape[1] // ROWS) * ROWS
        self.first = self.real.int().argmax(1).int()  # [batch] position of each document's key 0
        self.n_real = self.real.double().sum(1)  # [batch]
        # A row that sees one key has no entropy.
        self.with_entropy = self.later & (visible.n_keys > 1)
        self.entropy_weight = self.padded(self.with_entropy / visible.n_keys.clamp(min=2).log())
        members = (plan.key_sets & self.later[..., None]).transpose(1, 2)  # [batch, set, query]
        # The strict mass leaves out a set's own queries: these are summed, or the others,
        # whichever are fewer, so that no small difference of large sums is taken.
        n_later = self.later.sum(1)[:, None]
        self.of_others = members.sum(-1) * 2 > n_later  # [batch, set]
        rest = self.later[:, None] & ~members
        chosen = torch.where(self.of_others[..., None], rest, members)
        self.n_strict = (n_later - members.sum(-1)).double()
        is_first = (self.real & (rank == 0))[:, None]
        self.groups = self.padded(torch.cat([chosen, is_first], 1).float())
        self.sinks, self.counted = plan.sinks.to(torch.uint8), self.later.to(torch.uint8)
        self.offsets = torch.tensor(plan.offsets, dtype=torch.int32, device=self.real.device)

    def padded(self, rows: Tensor) -> Tensor:
        return F.pad(rows, (0, self.n_padded - rows.shape[-1])).contiguous()


@dataclass(frozen=True)
class Raw:
    """What the kernels wrote; sums named fixed are integers, in steps of 1 / FIXED.

    received, entropy, norm_received (None without norms): fixed [layer, batch, head, key].
    best: [layer, batch, query] value bits and key of the largest head mean. group_received:
    fixed [layer, batch, group, key], from the queries of each group of the inputs. map: [layer,
    batch, query, key], or fixed [layer, batch, cell, key]. near: [layer, batch, head, block, 2,
    distance]. over_half: [layer, batch, head, block]. diagonals: [layer, batch, head, query,
    offset]. window_received: [layer, batch, head, key]. broken: [layer, batch, query] bool,
    queries whose logits are no numbers.
    """

    received: Tensor
    entropy: Tensor
    norm_received: Tensor | None
    best: Tensor
    group_received: Tensor
    map: Tensor
    near: Tensor
    over_half: Tensor
    diagonals: Tensor
    window_received: Tensor
    broken: Tensor


def launch(
    calls: Sequence[Call],
    lses: Sequence[Tensor],
    weighted: Sequence[Tensor] | None,
    inputs: Inputs,
    wanted: Tiling | None = None,
) -> Raw:
    """All statistics of the calls, which are alike but for their numbers.

    lses, weighted: for each call [batch, head, token], log-sum-exp of the rows and mean norm of
    the values under the attention. wanted: blocks to use in place of those that fit the head.
    """
    stacked = torch.stack(list(lses))  # [layer, batch, head, token]
    broken = (~(stacked < math.inf) & inputs.real[:, None]).any(2)
    counts = inputs.real[:, None] & (stacked > HIDDEN.value)
    sums = inputs.padded(torch.where(counts, stacked * LOG2E.value, -HIDDEN.value))
    shares = None if weighted is None else inputs.padded(torch.stack(list(weighted)).reciprocal())
    raw = buffers(calls, inputs, broken, with_norms=weighted is not None)
    found = addresses([*(call.query for call in calls), *(call.key for call in calls)])
    pointers = (*found.view(2, -1), sums)
    if sums.is_cuda:  # where descriptors of tensors are kept
        triton.set_allocator(lambda size, *_: sums.new_empty(size, dtype=torch.int8))
    launch_tiles(calls[0], pointers, shares, inputs, raw, wanted)
    launch_edges(calls[0], pointers, inputs, raw)
    return raw


def buffers(calls: Sequence[Call], inputs: Inputs, broken: Tensor, *, with_norms: bool) -> Raw:
    """Room for the results: sums begin at 0."""
    plan, device = inputs.plan, broken.device
    batch, n_heads, n_tokens, _ = calls[0].query.shape
    rows = (len(calls), batch, n_heads, n_tokens)
    exact = n_tokens <= max(plan.map_exact, plan.map_cells)
    fixed = {
        "received": rows,
        "entropy": rows,
        "best": (len(calls), batch, n_tokens),
        "group_received": (len(calls), batch, inputs.groups.shape[1], n_tokens),
    }
    if not exact:
        fixed["map"] = (len(calls), batch, plan.map_cells, n_tokens)
    if with_norms:
        fixed["norm_received"] = rows
    sizes = [math.prod(shape) for shape in fixed.values()]
    flat = torch.zeros(sum(sizes), dtype=torch.int64, device=device).split(sizes)
    found = {name: part.view(fixed[name]) for name, part in zip(fixed, flat, strict=True)}
    if exact:
        found["map"] = torch.zeros(len(calls), batch, n_tokens, n_tokens, device=device)
    blocks = (*rows[:3], triton.cdiv(n_tokens, NEAR_ROWS))
    return Raw(
        **({"norm_received": None} | found),
        near=torch.empty(*blocks, 2, LOCAL_WIDTHS[-1] + 1, device=device),
        over_half=torch.empty(*blocks, dtype=torch.int32, device=device),
        diagonals=torch.empty(*rows, len(plan.offsets), device=device),
        window_received=torch.empty(*rows, device=device),
        broken=broken,
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
    call: Call,
    pointers: tuple[Tensor, ...],
    shares: Tensor | None,
    inputs: Inputs,
    raw: Raw,
    wanted: Tiling | None,
) -> None:
    n_layers, batch, _, n_tokens = raw.received.shape
    both, numbers, shared = shared_arguments(call, inputs)
    blocks = wanted or tiling(shared["DP"], call.query.dtype)
    exact = raw.map.dtype == torch.float32
    masked = call.mask is not None
    found = tiles(n_tokens, blocks, raw.best.device, is_causal=call.is_causal, all_checked=masked)
    for chosen, checked in zip(found, (False, True), strict=True):
        if len(chosen) == 0:
            continue
        statistics_kernel[(len(chosen), n_layers * batch)](
            *pointers, shares if shares is not None else pointers[-1], *both, chosen,
            inputs.entropy_weight, inputs.groups, raw.received, raw.entropy,
            raw.norm_received if raw.norm_received is not None else raw.received,
            raw.best, raw.group_received, raw.map, *numbers, inputs.groups.shape[1],
            raw.map.shape[2], HAS_NORMS=shares is not None, EXACT_MAP=exact, CHECKED=checked,
            BN=blocks.keys, BM=blocks.queries, NQ=1 if checked else blocks.parts,
            STAGES=blocks.stages, num_warps=blocks.warps, maxnreg=blocks.registers, **shared,
        )  # fmt: skip


def launch_edges(call: Call, pointers: tuple[Tensor, ...], inputs: Inputs, raw: Raw) -> None:
    n_layers, batch, n_heads, n_tokens = raw.received.shape
    both, numbers, shared = shared_arguments(call, inputs)
    neighbours_kernel[(raw.near.shape[3], n_heads, n_layers * batch)](
        *pointers, *both, inputs.counted, inputs.sinks, inputs.first, inputs.offsets,
        raw.near, raw.over_half, raw.diagonals, *numbers, len(inputs.offsets),
        BM=NEAR_ROWS, num_warps=2, **shared,
    )  # fmt: skip
    rows = 32 if call.query.dtype == torch.float32 or shared["DP"] > 128 else 64
    window_kernel[(triton.cdiv(n_tokens, rows), n_heads, n_layers * batch)](
        *pointers, *both, inputs.first, raw.window_received, *numbers, inputs.plan.window,
        BM=rows, BN=rows, num_warps=4, **shared,
    )  # fmt: skip
