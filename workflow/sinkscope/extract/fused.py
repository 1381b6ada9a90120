"""The fused path: torch's attention kernels compute the output, Triton kernels the statistics.

Layers wait, with their queries and keys, until several can be reduced together: short documents
then fill the device, and the number of launches does not grow with the number of layers.
"""

from __future__ import annotations

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
            maps = [head_map(call, lse, head, self.plan, pool, pool.T) for head in heads]
            self.head_maps[layer] = torch.stack(maps, 1)
        if self.plan.coarse:
            weights = coarse_weights(n_tokens, device)
            every_head = range(call.query.shape[1])
            maps = [head_map(call, lse, head, self.plan, *weights) for head in every_head]
            self._coarse_maps[layer] = torch.stack(maps, 1)
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


def head_map(
    call: Call, lse: Tensor, head: int, plan: Plan, queries: Tensor, keys: Tensor
) -> Tensor:
    """[batch, cell, cell] attention of one head, computed in blocks of rows. queries: [cell,
    token] and keys: [token, cell], their weights in the cells."""
    batch, n_heads, n_tokens, _ = call.query.shape
    group = n_heads // call.key.shape[1]
    query = call.query[:, head].float() * call.scale
    key = call.key[:, head // group].float()
    cells = query.new_zeros(batch, len(queries), len(queries))
    future = query.new_full((512, 512), HIDDEN).triu_(1)
    head_call = Call(
        query[:, None], key[:, None], key[:, None],
        call.mask if call.mask is None or call.mask.shape[1] == 1 else call.mask[:, head, None],
        call.is_causal, call.scale,
        key_bias=call.key_bias if call.key_bias is None else call.key_bias[:, head, None],
    )  # fmt: skip
    for start in range(0, n_tokens, 512):
        rows = slice(start, min(start + 512, n_tokens))
        logits = (query[:, rows] @ key.transpose(1, 2))[:, None]  # [batch, 1, query, key]
        hide(logits, head_call, start, future)
        p = (logits[:, 0] - lse[:, head, rows, None]).exp()
        p = p * plan.real[:, rows, None].to(p.device)
        cells += queries[:, rows] @ (p @ keys)
    return cells
