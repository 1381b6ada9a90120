"""Running sums over the softmax rows of one layer, and what they come to."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sinkscope.extract.masks import Call, Visible
from sinkscope.extract.reductions import N_NEAR, block_weights, neighbours, row_entropy
from sinkscope.keys import LOCAL_WIDTHS


@dataclass(frozen=True)
class Plan:
    """What to reduce each layer to; the same for all layers of one forward pass.

    real: [batch, token] bool, False at padding. key_sets: [batch, token, key_set] bool, the
    keys whose mass is wanted. sinks: [batch, token] bool, the keys that the second form of
    the local mass leaves out. window: how many first queries `window_score` counts.
    map_exact, map_cells: head-mean maps are exact up to map_exact (or map_cells) tokens, block
    averages of map_cells beyond. heads: (layer, head) of single heads whose map is wanted too.
    offsets: key minus query of the diagonals that are wanted of every head. by_query: also keep
    the masses of every single query. weighted: also weigh attention by the norms of the values.
    block: query rows a block (None: as many as fit the processor's cache).
    """

    real: Tensor
    key_sets: Tensor
    sinks: Tensor
    window: int = 64
    map_exact: int = 512
    map_cells: int = 256
    heads: tuple[tuple[int, int], ...] = ()
    offsets: tuple[int, ...] = ()
    by_query: bool = False
    weighted: bool = False
    block: int | None = None

    def rank(self) -> Tensor:
        """[batch, token] position within the document; padding in front does not count."""
        return self.real.long().cumsum(1) - 1

    def window_rows(self) -> Tensor:
        """[batch, token] bool: the first `window` queries of every document."""
        return self.real & (self.rank() < self.window)


@dataclass(frozen=True)
class LayerStatistics:
    """The reductions of one layer, on the device of the model; stacked, of all, with an axis
    [layer] in front.

    max_key, max_value: [batch, query] argmax over keys of the head mean (ties to the lowest
    key) and its value. sink_score, window_score: [batch, head, key] mean attention from the
    queries that can see the key (all; the first `window`), NaN where none can. mass,
    strict_mass: [batch, key_set]. entropy: [batch, head], of each row (divided by its sum) over
    the log of its number of visible keys. row_sum: [batch, head], 1 for softmax. over_half:
    [batch, head], share of the queries but the first that give key 0 more than half. local,
    local_no_sinks: [batch, head, width]. diagonals: [batch, head, query, offset], 0 where there
    is no such key. map: [batch, cell, cell], head mean. head_maps: [batch, wanted head, cell,
    cell].

    With by_query, head means of every query: query_mass [batch, query, key_set], query_local and
    query_local_no_sinks [batch, query] within the widest window. With weighted: norm_mass [batch,
    key_set], the mass with A[i,j] * norm(v_j) instead of A[i,j], divided by its sum over the row
    of each head (Kobayashi et al. 2020).
    """

    max_key: Tensor
    max_value: Tensor
    sink_score: Tensor
    window_score: Tensor
    mass: Tensor
    strict_mass: Tensor
    entropy: Tensor
    row_sum: Tensor
    over_half: Tensor
    local: Tensor
    local_no_sinks: Tensor
    diagonals: Tensor
    map: Tensor
    head_maps: Tensor
    query_mass: Tensor | None = None
    query_local: Tensor | None = None
    query_local_no_sinks: Tensor | None = None
    norm_mass: Tensor | None = None


class Sums:
    """Fed with the rows of one layer block by block.

    What is a number per query is only written down in `add`, and summed once in `finish`,
    in float64: few operations per block matter more than few bytes.
    """

    def __init__(self, plan: Plan, visible: Visible, call: Call, layer: int) -> None:
        batch, n_tokens = plan.real.shape
        n_heads = call.query.shape[1]
        self.is_softmax = call.attention == "softmax"
        self.plan, self.visible = plan, visible
        self.device = plan.real.device
        self.padded = not bool(plan.real.all())
        self.first = plan.real.int().argmax(1)  # [batch] position of each document's key 0
        self.window = plan.window_rows().float()
        self.window_end = 1 + int(self.window.any(0).nonzero().max())
        self.key_sets = plan.key_sets.float()

        def empty(*shape: int) -> Tensor:
            return torch.empty(*shape, device=self.device)

        self.max_key = empty(batch, n_tokens).long()
        self.max_value = empty(batch, n_tokens)
        self.mass = empty(batch, n_tokens, plan.key_sets.shape[-1])
        if plan.weighted:
            # [batch, key_value_head, group, query, key], the same for the group and for queries
            self.value_norm = call.value.float().norm(dim=-1)[:, :, None, None]
            self.norm_mass = torch.empty_like(self.mass)
        self.near, self.has_near = neighbours(
            n_tokens, plan.offsets, self.device, is_causal=call.is_causal
        )
        self.near_attention = empty(batch, n_heads, *self.near.shape)
        self.nats = empty(batch, n_heads, n_tokens)
        self.on_first = empty(batch, n_heads, n_tokens)
        self.received = empty(batch, n_heads, n_tokens).zero_().double()
        self.window_received = self.received.clone()
        exact = n_tokens <= max(plan.map_exact, plan.map_cells)
        n_cells = n_tokens if exact else plan.map_cells
        self.pool = None if exact else block_weights(n_tokens, n_cells, self.device)
        self.heads = [head for at, head in plan.heads if at == layer]
        # Queries are averaged as they come, keys at the end: one product instead of many.
        self.maps = empty(batch, 1 + len(self.heads), n_cells, n_tokens).zero_()

    def add(self, start: int, logits: Tensor, p: Tensor) -> None:
        """Rows start, start + 1, ... of the attention p made of the logits; both are used up.

        logits, p: [batch, head, query, key].
        """
        rows = slice(start, start + p.shape[2])
        n_keys = p.shape[-1]
        self.nats[:, :, rows] = row_entropy(logits, p, is_softmax=self.is_softmax)
        if self.padded:
            p.mul_(self.plan.real[:, None, rows, None])
            first = self.first.clamp(max=n_keys - 1)[:, None, None, None]
            self.on_first[:, :, rows] = p.gather(-1, first.expand(*p.shape[:3], 1))[..., 0]
        else:
            self.on_first[:, :, rows] = p[..., 0]
        mean = p.mean(1)  # [batch, query, key]
        self.max_value[:, rows], self.max_key[:, rows] = mean.max(-1)
        torch.matmul(mean, self.key_sets[:, :n_keys], out=self.mass[:, rows])
        if self.plan.weighted:
            torch.matmul(self.weighted(p), self.key_sets[:, :n_keys], out=self.norm_mass[:, rows])
        self.received[..., :n_keys] += p.sum(2)
        if start < self.window_end:
            window = self.window[:, start : min(rows.stop, self.window_end)]  # [batch, query]
            in_window = p[:, :, : window.shape[1]]
            if self.padded:
                in_window = in_window * window[:, None, :, None]
            self.window_received[..., :n_keys] += in_window.sum(2)
        near = self.near[rows].clamp(max=n_keys - 1).expand(*p.shape[:2], -1, -1)
        self.near_attention[:, :, rows] = p.gather(-1, near)
        wanted = mean[:, None]  # [batch, map, query, key]
        if self.heads:
            wanted = torch.cat([wanted, p[:, self.heads]], 1)
        self.add_maps(wanted, rows)

    def weighted(self, p: Tensor) -> Tensor:
        """[batch, query, key] head mean of rows weighted by the norms of the values."""
        batch, _, n_queries, n_keys = p.shape
        # Grouped heads share a value head by view.
        grouped = p.view(batch, self.value_norm.shape[1], -1, n_queries, n_keys)
        part = (grouped * self.value_norm[..., :n_keys]).view(p.shape)
        total = part.sum(-1, keepdim=True).clamp(min=torch.finfo(part.dtype).tiny)
        return (part / total).mean(1)

    def add_maps(self, part: Tensor, rows: slice) -> None:
        """part: [batch, map, query, key]."""
        n_keys = part.shape[-1]
        if self.pool is None:
            self.maps[:, :, rows, :n_keys] = part
            return
        n_cells, n_tokens = self.pool.shape
        first, last = (
            ((token + 1) * n_cells - 1) // n_tokens for token in (rows.start, rows.stop - 1)
        )
        cells = slice(first, last + 1)  # those that hold a query of these rows
        self.maps[:, :, cells, :n_keys] += self.pool[cells, rows] @ part

    def finish(self) -> LayerStatistics:
        real, rank = self.plan.real, self.plan.rank()
        n_real = real.double().sum(1)[:, None]  # [batch, 1]
        strict = ((real & (rank > 0))[..., None] & ~self.plan.key_sets).double()
        mass = self.mass.double()  # [batch, query, key_set]
        visible = self.visible
        maps = self.maps if self.pool is None else self.maps @ self.pool.T
        return LayerStatistics(
            max_key=self.max_key,
            max_value=self.max_value,
            sink_score=(self.received / visible.n_queries[:, None]).float(),
            window_score=(self.window_received / visible.n_window_queries[:, None]).float(),
            mass=(mass.sum(1) / n_real).float(),
            strict_mass=((mass * strict).sum(1) / strict.sum(1)).float(),
            entropy=self.entropy(real & (rank > 0)),
            row_sum=(self.received.sum(-1) / n_real).float(),
            over_half=self.over_half(real & (rank > 0)),
            local=self.local(torch.ones_like(real), n_real),
            local_no_sinks=self.local(~self.plan.sinks, n_real),
            diagonals=self.near_attention[..., N_NEAR:] * self.has_near[:, N_NEAR:],
            map=maps[:, 0],
            head_maps=maps[:, 1:],
            **self.optional(n_real),
        )

    def optional(self, n_real: Tensor) -> dict[str, Tensor]:
        """What a plan may leave out."""
        found = {}
        if self.plan.weighted:
            found["norm_mass"] = (self.norm_mass.double().sum(1) / n_real).float()
        if self.plan.by_query:
            near = self.near_attention[..., :N_NEAR].mean(1) * self.has_near[:, :N_NEAR]
            kept = ~self.plan.sinks[:, self.near[:, :N_NEAR]]  # [batch, query, offset]
            found["query_mass"] = self.mass
            found["query_local"] = near.sum(-1)
            found["query_local_no_sinks"] = (near * kept).sum(-1)
        return found

    def entropy(self, counted: Tensor) -> Tensor:
        """[batch, head]; counted: [batch, query] bool. A row that sees one key has none."""
        counted = counted & (self.visible.n_keys > 1)
        weight = counted / self.visible.n_keys.clamp(min=2).log()
        total = torch.einsum("bhq,bq->bh", self.nats.double(), weight.double())
        return (total / counted.double().sum(1)[:, None]).float()

    def over_half(self, counted: Tensor) -> Tensor:
        """[batch, head]; counted: [batch, query] bool."""
        over = ((self.on_first > 0.5) & counted[:, None]).sum(-1)
        return over / counted.sum(1)[:, None]

    def local(self, kept: Tensor, n_real: Tensor) -> Tensor:
        """[batch, head, width] attention within each width; kept: [batch, key] bool."""
        counted = self.has_near & kept[:, self.near]  # [batch, query, offset]
        offset = (self.near_attention * counted[:, None]).sum(2, dtype=torch.float64)
        centre = LOCAL_WIDTHS[-1]
        widths = [offset[..., centre - w : centre + w + 1].sum(-1) for w in LOCAL_WIDTHS]
        return (torch.stack(widths, -1) / n_real[:, None]).float()
