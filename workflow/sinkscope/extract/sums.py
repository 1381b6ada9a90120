"""Running sums over the attention rows of one layer."""

from __future__ import annotations

import torch
from torch import Tensor

from sinkscope.declarations.statistic import Rows
from sinkscope.extract.coarse import cell_of
from sinkscope.extract.frame import N_NEAR, Frame, row_entropy, row_normalizer
from sinkscope.extract.masks import Call
from sinkscope.extract.states import LayerState

# Of the head means of a layer: more would be fresh memory for every layer that waits.
MEANS_BYTES = 1 << 20


class Sums:
    """Takes the rows of one layer block by block. Values per query are only stored in `add`, and
    summed once by `finish`, in float64: few operations per block matter more than few bytes."""

    def __init__(
        self, frame: Frame, call: Call, layer: int, state: LayerState | None = None
    ) -> None:
        self.frame, self.plan, self.call, self.state = frame, frame.plan, call, state
        self.layer = layer
        batch, n_tokens = self.plan.real.shape
        n_heads, device = call.query.shape[1], self.plan.real.device

        def empty(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.empty(shape, dtype=dtype, device=device)

        self.max_key = empty(batch, n_tokens, dtype=torch.int64)
        self.max_value = empty(batch, n_tokens)
        self.second_value = empty(batch, n_tokens)
        self.mass = empty(batch, n_tokens, self.plan.key_sets.shape[-1])
        if self.plan.weighted:
            # [batch, key_value_head, group, query, key], the same for the group and for queries
            self.value_norm = call.value.float().norm(dim=-1)[:, :, None, None]
            self.norm_mass = torch.empty_like(self.mass)
        self.near_attention = empty(batch, n_heads, *frame.near.shape)
        self.nats = empty(batch, n_heads, n_tokens)
        self.normalizer = empty(batch, n_heads, n_tokens)
        self.on_first = empty(batch, n_heads, n_tokens)
        self.received = empty(batch, n_heads, n_tokens, dtype=torch.float64).zero_()
        self.window_received = torch.zeros_like(self.received)
        if self.plan.rule is not None:
            # Queries that give a key more than uniform attention, in each head and in their mean.
            self.n_above = torch.zeros_like(self.normalizer)
            self.n_above_in_mean = torch.zeros_like(self.max_value)
        # [batch, query, key] of the head means: attention on sinks is read from them, not computed
        # again from queries and keys.
        self.means: Tensor | None = None
        if self.plan.rule is not None and 4 * batch * n_tokens**2 <= MEANS_BYTES:
            self.means = empty(batch, n_tokens, n_tokens).zero_()
        self.added = empty(len(self.plan.added), batch, n_heads, n_tokens)
        self.heads = [head for at, head in self.plan.heads if at == layer]
        # Queries are averaged block by block, keys once at the end: one product instead of many.
        self.maps = empty(batch, 1 + len(self.heads), frame.n_cells, n_tokens).zero_()
        n_coarse = 0 if frame.coarse is None else len(frame.coarse[0])
        self.coarse = empty(batch, n_heads, n_coarse, n_coarse).zero_()

    def add(self, start: int, logits: Tensor, p: Tensor) -> None:
        """Add the rows start, start + 1, ... of the attention p, of logits; overwrites both.
        logits, p: [batch, head, query, key]."""
        rows = slice(start, start + p.shape[2])
        n_keys = p.shape[-1]
        normalizer, frame = None, self.frame
        if self.call.attention != "sigmoid":  # its rows have none
            self.normalizer[:, :, rows] = normalizer = row_normalizer(logits, p)
        is_softmax = self.call.attention == "softmax"
        sums_to_1 = is_softmax and self.call.sink is None and not self.call.n_extra
        self.nats[:, :, rows] = row_entropy(logits, p, normalizer if sums_to_1 else None)
        if frame.padded:
            self.clear_padding(p, rows)
        if frame.padded and not frame.starts_at_0:
            first = frame.first.clamp(max=n_keys - 1)[:, None, None, None]
            self.on_first[:, :, rows] = p.gather(-1, first.expand(*p.shape[:3], 1))[..., 0]
        else:
            self.on_first[:, :, rows] = p[..., 0]
        mean = self.mean_of(p, rows)
        self.max_value[:, rows], self.max_key[:, rows] = largest, at = mean.max(-1)
        mean.scatter_(-1, at[..., None], 0.0)
        self.second_value[:, rows] = mean.amax(-1)
        mean.scatter_(-1, at[..., None], largest[..., None])
        torch.matmul(mean, frame.key_sets[:, :n_keys], out=self.mass[:, rows])
        if self.plan.weighted:
            torch.matmul(self.weighted(p), frame.key_sets[:, :n_keys], out=self.norm_mass[:, rows])
        for place, statistic in enumerate(self.plan.added):
            assert statistic.by_query is not None
            self.added[place, :, :, rows] = statistic.by_query(Rows(p, start, frame.first))
        self.received[..., :n_keys] += p.sum(2)
        if start < frame.window_end:
            window = frame.window[:, start : min(rows.stop, frame.window_end)]  # [batch, query]
            in_window = p[:, :, : window.shape[1]]
            # Rows of padding are 0. In front of a document, they move its window.
            if frame.padded and not frame.starts_at_0:
                in_window = in_window * window[:, None, :, None]
            self.window_received[..., :n_keys] += in_window.sum(2)
        self.add_near(start, p)
        matrices = mean[:, None]  # [batch, map, query, key]
        if self.heads:
            matrices = torch.cat([matrices, p[:, self.heads]], 1)
        self.add_maps(matrices, rows)
        if frame.coarse is not None:
            self.add_coarse(p, rows, *frame.coarse)
        if self.plan.rule is not None:
            # In place, and as float32, whose sums are faster than those of bool.
            above = frame.above[:, rows, None]
            self.n_above[..., :n_keys] += p.gt_(above[:, None]).sum(2)
            self.n_above_in_mean[:, :n_keys] += torch.gt(mean, above, out=p[:, 0]).sum(1)

    def mean_of(self, p: Tensor, rows: slice) -> Tensor:
        """[batch, query, key] head mean of the rows."""
        if self.means is None:
            return p.mean(1)
        return torch.mean(p, 1, out=self.means[:, rows, : p.shape[-1]])

    def clear_padding(self, p: Tensor, rows: slice) -> None:
        """Overwrite the rows of padding with 0."""
        if self.frame.padding is None:
            p.mul_(self.plan.real[:, None, rows, None])
            return
        for document, queries in self.frame.padding:
            first, last = (max(at - rows.start, 0) for at in (queries.start, queries.stop))
            p[document, :, first:last] = 0.0

    def add_near(self, start: int, p: Tensor) -> None:
        """Attention on the keys beside every query; as a view of the rows, five times as fast."""
        n_rows, n_keys = p.shape[2:]
        near = self.frame.near[start : start + n_rows].clamp(max=n_keys - 1)
        near = near.expand(*p.shape[:2], -1, -1)
        out = self.near_attention[:, :, start : start + n_rows]
        width, n_offsets = N_NEAR // 2, near.shape[-1]
        first, last = max(width - start, 0), min(n_rows, n_keys - width - start)
        if p.is_cuda or n_offsets > N_NEAR or first >= last or not p.is_contiguous():
            out.copy_(p.gather(-1, near))
            return
        at = p.storage_offset() + first * (n_keys + 1) + start - width
        steps = (p.stride(0), p.stride(1), n_keys + 1, 1)
        out[:, :, first:last] = p.as_strided((*p.shape[:2], last - first, N_NEAR), steps, at)
        for edge in (slice(0, first), slice(last, n_rows)):
            out[:, :, edge] = p[:, :, edge].gather(-1, near[:, :, edge])

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
        if self.frame.pool is None:
            self.maps[:, :, rows, :n_keys] = part
            return
        n_cells, n_tokens = self.frame.pool.shape
        first, last = (
            ((token + 1) * n_cells - 1) // n_tokens for token in (rows.start, rows.stop - 1)
        )
        cells = slice(first, last + 1)  # those that hold a query of these rows
        self.maps[:, :, cells, :n_keys] += self.frame.pool[cells, rows] @ part

    def add_coarse(self, p: Tensor, rows: slice, queries: Tensor, keys: Tensor) -> None:
        """p: [batch, head, query, key]. queries, keys: as of Frame.coarse."""
        n_tokens = queries.shape[1]
        first, last = (cell_of(token, n_tokens) for token in (rows.start, rows.stop - 1))
        cells = slice(first, last + 1)  # those that hold a query of these rows
        self.coarse[:, :, cells] += (queries[cells, rows] @ p) @ keys[: p.shape[-1]]

    def pooled(self, maps: Tensor) -> Tensor:
        """[..., cell, cell]. maps: [..., cell, key]."""
        return maps if self.frame.pool is None else maps @ self.frame.pool.T

    @property
    def n_bytes(self) -> int:
        """Memory that the sums keep, about: the largest of them, the queries and the keys."""
        largest = (self.near_attention, self.maps, self.mass, self.call.query, self.call.key)
        n_bytes = sum(values.nbytes for values in largest)
        return n_bytes if self.means is None else n_bytes + self.means.nbytes

    def release(self) -> None:
        """Let the next layer reuse the memory of the call's tensors that nobody reads any more."""
        none = self.call.key.new_empty(0)
        self.call = self.call._replace(value=none, own=None)
        if self.means is not None:
            self.call = self.call._replace(query=none, key=none)
