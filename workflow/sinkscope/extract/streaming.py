"""Attention of one layer, made block by block of query rows and reduced on the way.

Nothing of size n_tokens x n_tokens per head is ever kept: the softmax rows of one block
of queries, over all heads, are made, used and overwritten by the next block. The
histogram of max keys needs the *head mean* of a row, which no per-head sum can give back
later, so it is taken while the block is there. The layer's output is made from the same
rows: what is reported is what the model used, and the product of queries and keys, most
of the work, is done once.
"""

from __future__ import annotations

import gc
import importlib.util
import math
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from sinkscope.extract.devices import moved
from sinkscope.extract.masks import HIDDEN, Call, Visible, count_visible, hide
from sinkscope.extract.rows import ALTERNATIVES
from sinkscope.extract.sums import LayerStatistics, Plan, Sums

# Logits of one block of queries: more leaves a processor's cache, less leaves a GPU idle.
CPU_BLOCK_BYTES = 4 << 20
GPU_BLOCK_BYTES = 256 << 20
LEAST_SHARE = 1 / 64  # of these, where memory runs out


def present(layer: LayerStatistics) -> list[str]:
    """Statistics that were asked for, but for head_maps, of which layers have more or fewer."""
    names = [name for name in LayerStatistics.__dataclass_fields__ if name != "head_maps"]
    return [name for name in names if getattr(layer, name) is not None]


class Workspace:
    """Buffers that all blocks of all layers and documents share.

    Fresh memory for every layer would cost more (page faults) than the arithmetic on it.
    share: of the memory that is usually taken to work in.
    """

    def __init__(self, device: torch.device, share: float = 1.0) -> None:
        self.device, self.share = device, share
        self.let_go()

    def let_go(self) -> None:
        device = self.device
        self.flat = (torch.empty(0, device=device), torch.empty(0, device=device))
        self.rows = torch.empty(0, device=device)
        self.triangle = torch.empty(0, 0, device=device)

    def halve(self) -> bool:
        """After memory ran out: blocks of half the size. False where they are the smallest."""
        if self.share <= LEAST_SHARE:
            return False
        self.share /= 2
        self.let_go()
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return True

    def pair(self, *shape: int) -> tuple[Tensor, Tensor]:
        """Two uninitialised float32 tensors of this shape."""
        size = math.prod(shape)
        if self.flat[0].numel() < size:
            self.flat = (self.flat[0].new_empty(size), self.flat[0].new_empty(size))
        return self.flat[0][:size].view(shape), self.flat[1][:size].view(shape)

    def output(self, *shape: int) -> Tensor:
        """An uninitialised float32 tensor of this shape."""
        size = math.prod(shape)
        if self.rows.numel() < size:
            self.rows = self.rows.new_empty(size)
        return self.rows[:size].view(shape)

    def future(self, n_rows: int) -> Tensor:
        """[row, row] or larger: HIDDEN above the diagonal, else 0."""
        if len(self.triangle) < n_rows:
            self.triangle = self.triangle.new_full((n_rows, n_rows), HIDDEN).triu_(1)
        return self.triangle


class Observation:
    """One forward pass: called once a layer in place of the attention, it keeps statistics.

    On a GPU, kernels reduce the attention; where they cannot, on a processor, and with
    fused=False, it is reduced block by block. A model may be split over several devices:
    statistics end on that of the workspace.
    """

    def __init__(self, plan: Plan, workspace: Workspace, *, fused: bool | None = None) -> None:
        self.plan, self.device = plan, workspace.device
        self.paths: set[str] = set()  # that layers took: triton, torch
        self._parts: dict[torch.device, tuple[Plan, Workspace]] = {}
        self._workspace = workspace
        self._fused = fused_path(plan, workspace, fused)
        self._blocks: dict[int, LayerStatistics] = {}
        self._n_layers = 0
        self._counted: tuple[Tensor | None, bool, torch.device, Visible] | None = None

    def __call__(self, call: Call) -> Tensor:
        layer, device = self._n_layers, call.query.device
        self._n_layers += 1
        way = None if self._fused is None else self._fused.way(call)
        if way is not None:
            self.paths.add("triton")
            # What no mask hides is counted where the plan is, on the processor.
            visible = self.visible(call, self.plan.real.device)
            return self._fused.add(layer, call, visible, way)
        self.paths.add("torch")
        if device not in self._parts:
            own = self._workspace
            if device != self.device:
                own = Workspace(device, own.share)
            self._parts[device] = moved(self.plan, device), own
        plan, workspace = self._parts[device]
        sums = Sums(plan, self.visible(call, device), call, layer)
        output, statistics = attend(call, sums, workspace)
        self._blocks[layer] = moved(statistics, self.device)
        return output

    @cached_property
    def layers(self) -> list[LayerStatistics]:
        """The statistics of every layer, once all have been seen."""
        found = dict(self._blocks)
        for numbers, group in self._groups:
            names = present(group)
            rows = zip(*(getattr(group, name).unbind(0) for name in names), strict=True)
            for layer, row in zip(numbers, rows, strict=True):
                maps = self._fused.head_maps.get(layer, group.head_maps[0])
                found[layer] = LayerStatistics(
                    **dict(zip(names, row, strict=True)), head_maps=maps.to(self.device)
                )
        return [found[layer] for layer in range(self._n_layers)]

    @cached_property
    def stacked(self) -> LayerStatistics:
        """The same with an axis [layer] in front; head_maps: [batch, wanted head, cell, cell], of
        all layers, one after the other."""
        if len(self._groups) == 1 and not self._blocks and not self.plan.heads:
            group = self._groups[0][1]
            return replace(group, head_maps=group.head_maps[0])
        found = {
            name: torch.stack([getattr(layer, name) for layer in self.layers])
            for name in present(self.layers[0])
        }
        head_maps = torch.cat([layer.head_maps for layer in self.layers], 1)
        return LayerStatistics(**found, head_maps=head_maps)

    @cached_property
    def _groups(self) -> list[tuple[list[int], LayerStatistics]]:
        if self._fused is None:
            return []
        return [(numbers, moved(group, self.device)) for numbers, group in self._fused.finish()]

    @property
    def is_causal(self) -> bool:
        """Whether the first query of the documents saw itself alone."""
        assert self._counted is not None, "no layer was observed"
        n_keys = self._counted[3].n_keys  # [batch, query]
        return bool((n_keys[:, 0] == 1).all())

    def visible(self, call: Call, device: torch.device) -> Visible:
        """Counted once for all layers that are given the very same mask; without one, on a device
        of choice."""
        if call.mask is not None:
            device = call.mask.device
        counted = self._counted
        kind = (call.is_causal, device)
        if counted is None or counted[0] is not call.mask or counted[1:3] != kind:
            plan = moved(self.plan, device)
            visible = count_visible(call, plan.real, plan.window_rows())
            counted = self._counted = (call.mask, *kind, visible)
        return counted[3]


def fused_path(plan: Plan, workspace: Workspace, wanted: bool | None) -> Any:
    """The kernels, for one pass; None where they are not to be had or not wanted.

    wanted: None takes them on a GPU of the maker for whose they are tuned (torch calls others
    "cuda", too), True also where Triton only interprets them.
    """
    tuned_for = workspace.device.type == "cuda" and torch.version.hip is None
    if wanted is False or (wanted is None and not tuned_for):
        return None
    if importlib.util.find_spec("triton") is None:
        return None
    from sinkscope.extract.fused import Fused

    return Fused(plan, workspace.share)


def attend(call: Call, sums: Sums, workspace: Workspace) -> tuple[Tensor, LayerStatistics]:
    """The layer's output [batch, head, token, d] and all statistics of its attention."""
    batch, n_heads, n_tokens, d = call.query.shape
    n_kv, d_value = call.value.shape[1], call.value.shape[-1]
    # Grouped heads share a key head by view, never a repeat: [batch, kv, group, token, d].
    query = (call.query.float() * call.scale).reshape(batch, n_kv, -1, n_tokens, d)
    key = call.key.float().reshape(batch * n_kv, n_tokens, d).transpose(1, 2)
    value = call.value.float().reshape(batch * n_kv, n_tokens, d_value)
    # Laid out as [batch, token, head, d], which the model goes on with.
    output = value.new_empty(batch, n_tokens, n_heads, d_value).transpose(1, 2)
    stop = 0
    while stop < n_tokens:
        n_rows = sums.plan.block or block_rows(call, stop, workspace.share)
        start, stop = stop, min(stop + n_rows, n_tokens)
        n_keys = stop if call.is_causal else n_tokens
        logits, probability = workspace.pair(batch, n_heads, stop - start, n_keys)
        rows = query[:, :, :, start:stop].reshape(batch * n_kv, -1, d)
        # [batch * kv, group * query, key] is the same memory as [batch, head, query, key].
        flat = (batch * n_kv, rows.shape[1], n_keys)
        torch.bmm(rows, key[:, :, :n_keys], out=logits.view(flat))
        hide(logits, call, start, workspace.future(stop - start))
        if call.attention == "softmax":
            torch.softmax(logits, -1, out=probability)
        else:
            n_visible = sums.visible.n_keys[:, start:stop]
            probability.copy_(ALTERNATIVES[call.attention](logits, n_visible))
        part = workspace.output(batch * n_kv, rows.shape[1], d_value)
        torch.bmm(probability.view(flat), value[:, :n_keys], out=part)
        output[:, :, start:stop] = part.view(batch, n_heads, stop - start, d_value)
        sums.add(start, logits, probability)
    return output.to(call.query.dtype), sums.finish()


def block_rows(call: Call, start: int, share: float) -> int:
    """Query rows of the block at `start`, so that the logits of all heads fit its share of bytes.

    A causal block computes the square on the diagonal in full: at most a quarter of the
    document a block keeps that waste small.
    """
    batch, n_heads, n_tokens, _ = call.query.shape
    most_bytes = GPU_BLOCK_BYTES if call.query.is_cuda else CPU_BLOCK_BYTES
    n_entries = share * most_bytes // (4 * batch * n_heads)
    if not call.is_causal:
        return round_rows(n_entries / n_tokens)
    # rows * (start + rows) entries of each head: the keys of a causal block grow with it.
    rows = (math.sqrt(start**2 + 4 * n_entries) - start) / 2
    return round_rows(min(rows, n_tokens / 4))


def round_rows(rows: float) -> int:
    """A multiple of 16, which matrix products like, and at least 16."""
    return max(16, int(rows) // 16 * 16)
