"""The fused path: torch's attention kernels compute the output, Triton kernels the statistics.

Layers wait, with their queries and keys, until several can be reduced together: short documents
then fill the device, and the number of launches does not grow with the number of layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sinkscope.extract.backends import (
    Backend,
    Kind,
    bytes_of,
    kind_of,
    operation,
    supported_by_kernels,
)
from sinkscope.extract.constants import on_device
from sinkscope.extract.frame import block_weights, coarse_weights
from sinkscope.extract.kernels.forward import forward
from sinkscope.extract.kernels.inputs import Inputs
from sinkscope.extract.kernels.launch import launch
from sinkscope.extract.kernels.states import reduce_state
from sinkscope.extract.masks import HIDDEN, Call, Visible, hide
from sinkscope.extract.plan import LayerStatistics, Plan
from sinkscope.extract.states import LayerState

# Bytes of queries and keys that may wait for their statistics.
WAITING_BYTES = 448 << 20

# Maps of heads: rows of a block, and most entries of attention at a time.
MAP_ROWS = 512
MAP_ENTRIES = 1 << 25


@dataclass(frozen=True)
class Waiting:
    """A layer whose output is computed and whose statistics are not. Layers of one kind are reduced
    together. lse: [batch, head, token]. norms: None unless attention is weighted by the norms of
    the values; then these norms [batch, kv, token] and their mean under the attention [batch, head,
    token]. cosine: of the state to that of key 0, [batch, token], None if unknown."""

    layer: int
    call: Call
    visible: Visible
    lse: Tensor
    norms: tuple[Tensor, Tensor] | None
    cosine: Tensor | None
    kind: Kind


class Fused:
    """Computes the outputs of one forward pass; `finish` returns the statistics of its layers."""

    reduce_state = staticmethod(reduce_state)

    def __init__(self, plan: Plan, share: float = 1.0) -> None:
        self.plan = plan
        self.share = share  # of the memory that buffers and waiting layers usually take
        self.head_maps: dict[int, Tensor] = {}  # [batch, wanted head, cell, cell], by layer
        self._coarse_maps: dict[int, Tensor] = {}  # [batch, head, cell, cell], by layer
        self._waiting: list[Waiting] = []
        self._reduced: list[tuple[list[int], LayerStatistics]] = []
        self._backends: dict[Kind, Backend | None] = {}
        self._inputs: tuple[Visible, torch.device, Inputs] | None = None

    def backend(self, call: Call) -> Backend | None:
        """The backend of a call; None if the kernels do not support it."""
        kind = kind_of(call)
        if kind not in self._backends:  # the choice takes as long as a launch
            self._backends[kind] = None
            if not self.plan.by_query and supported_by_kernels(call):
                self._backends[kind] = Backend(kind, operation(call), bytes_of(call))
        # The hardware copies 16 bytes at a time. Addresses differ between calls of one kind.
        if (call.query.data_ptr() | call.key.data_ptr()) % 16:
            return None
        return self._backends[kind]

    def add(
        self, layer: int, call: Call, visible: Visible, backend: Backend, state: LayerState | None
    ) -> Tensor:
        """The layer's output [batch, head, token, d]."""
        output, lse = backend.operation(call)
        lse = lse.reshape(call.query.shape[:3])
        norms = value_norms(call) if self.plan.weighted else None
        # The statistics do not need the values: the next layer may reuse their memory.
        without_value = call._replace(value=call.key, own=None)
        cosine = None if state is None else state.cosine.contiguous()
        waiting = Waiting(layer, without_value, visible, lse, norms, cosine, backend.kind)
        self._waiting.append(waiting)
        heads = [head for at, head in self.plan.heads if at == layer]
        n_tokens, device = call.query.shape[2], call.query.device
        if heads:
            pool = block_weights(n_tokens, self.plan.n_cells(n_tokens), device)
            self.head_maps[layer] = maps_of(call, lse, heads, self.plan, pool, pool.T, self.share)
        if self.plan.coarse:
            weights = coarse_weights(n_tokens, device)
            every_head = list(range(call.query.shape[1]))
            maps = maps_of(call, lse, every_head, self.plan, *weights, self.share)
            self._coarse_maps[layer] = maps
        if (len(self._waiting) + 1) * backend.n_bytes > self.share * WAITING_BYTES:
            self.reduce()
        return output

    def reduce(self) -> None:
        """Run the kernels over the waiting layers, and release their queries and keys."""
        groups: dict[tuple[object, ...], list[Waiting]] = {}
        for one in self._waiting:
            groups.setdefault((*one.kind, id(one.visible)), []).append(one)
        self._waiting = []
        for group in groups.values():
            calls, lses = [one.call for one in group], [one.lse for one in group]
            norms = [one.norms for one in group if one.norms is not None]
            cosines = [one.cosine for one in group]
            inputs = self.inputs(group[0].visible, calls[0].query.device)
            with on_device(calls[0].query.device):
                statistics = launch(calls, lses, self.plan, inputs, norms, cosines, self.share)
            layers = [one.layer for one in group]
            if self.plan.coarse:
                maps = torch.stack([self._coarse_maps.pop(layer) for layer in layers])
                statistics = replace(statistics, coarse_map=maps)
            self._reduced.append((layers, statistics))

    def inputs(self, visible: Visible, device: torch.device) -> Inputs:
        """The kernels' inputs, computed once for layers with the same visible keys and device."""
        cached = self._inputs
        if cached is None or cached[0] is not visible or cached[1] != device:
            cached = self._inputs = (visible, device, Inputs(self.plan, visible, device))
        return cached[2]

    def finish(self) -> list[tuple[list[int], LayerStatistics]]:
        """Groups of layers and their statistics, [layer, batch, ...], without head_maps."""
        self.reduce()
        return self._reduced


def value_norms(call: Call) -> tuple[Tensor, Tensor]:
    """Norms of the values [batch, kv, token], and their mean under the attention [batch, head,
    token]."""
    norms = torch.linalg.vector_norm(call.value, dim=-1, dtype=torch.float32).contiguous()
    with on_device(call.query.device):
        mean = forward(call, norms, output=False)[2]
    assert mean is not None
    return norms, mean


def maps_of(
    call: Call,
    lse: Tensor,
    heads: Sequence[int],
    plan: Plan,
    queries: Tensor,
    keys: Tensor,
    share: float = 1.0,
) -> Tensor:
    """[batch, head, cell, cell] attention of some heads. queries: [cell, token] and keys: [token,
    cell], their weights in the cells. As many heads at a time as fit a share of MAP_ENTRIES."""
    batch, _, n_tokens, _ = call.query.shape
    at_once = max(1, int(share * MAP_ENTRIES) // (batch * MAP_ROWS * n_tokens))
    parts = [heads[start : start + at_once] for start in range(0, len(heads), at_once)]
    return torch.cat([maps_at_once(call, lse, one, plan, queries, keys) for one in parts], 1)


def maps_at_once(
    call: Call, lse: Tensor, heads: Sequence[int], plan: Plan, queries: Tensor, keys: Tensor
) -> Tensor:
    """The same, in blocks of rows."""
    batch, n_heads, n_tokens, _ = call.query.shape
    group, mask, bias = n_heads // call.key.shape[1], call.mask, call.key_bias
    query = call.query[:, heads].float() * call.scale
    key = call.key[:, [head // group for head in heads]].float()
    of_heads = Call(
        query, key, key,
        mask if mask is None or mask.shape[1] == 1 else mask[:, heads],
        call.is_causal, call.scale,
        key_bias=None if bias is None else bias[:, heads],
    )  # fmt: skip
    cells = query.new_zeros(batch, len(heads), len(queries), len(queries))
    future = query.new_full((MAP_ROWS, MAP_ROWS), HIDDEN).triu_(1)
    for start in range(0, n_tokens, MAP_ROWS):
        stop = min(start + MAP_ROWS, n_tokens)
        seen = stop if call.is_causal else n_tokens  # no key after the block's last query
        logits = query[:, :, start:stop] @ key[:, :, :seen].transpose(2, 3)
        hide(logits, of_heads, start, future)
        p = logits.sub_(lse[:, heads, start:stop, None]).exp_()
        p *= plan.real[:, None, start:stop, None].to(p.device)
        cells += queries[:, start:stop] @ (p @ keys[:seen])
    return cells
