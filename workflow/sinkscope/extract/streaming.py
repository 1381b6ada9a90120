"""Attention of one layer, computed and reduced block by block of query rows, as is the layer's
output. The max key is that of the *head mean* of a row, which cannot be recovered from sums per
head, so it is taken while the rows of all heads are in memory."""

from __future__ import annotations

import gc
import math

import torch
from torch import Tensor

from sinkscope.extract.masks import HIDDEN, Call, hide, rows_of
from sinkscope.extract.rows import ALTERNATIVES, capped, with_sink
from sinkscope.extract.sums import Sums

# Logits of one block of queries: more does not fit a CPU's cache, less leaves a GPU idle.
CPU_BLOCK_BYTES = 4 << 20
GPU_BLOCK_BYTES = 256 << 20
LEAST_ENTRIES = 1 << 19  # of a causal block: fewer save less time than calling torch takes
LEAST_SHARE = 1 / 64  # of these bytes, after memory ran out


class Workspace:
    """Buffers that all blocks of all layers and documents share: page faults of fresh memory would
    cost more than the arithmetic. share: fraction of the bytes above that a block takes."""

    def __init__(self, device: torch.device, share: float = 1.0) -> None:
        self.device, self.share = device, share
        self.let_go()

    def let_go(self) -> None:
        device = self.device
        self.flat = [torch.empty(0, device=device) for _ in range(3)]
        self.triangle = torch.empty(0, 0, device=device)

    def halve(self) -> bool:
        """Halve the blocks after memory ran out; False if they are already the smallest."""
        if self.share <= LEAST_SHARE:
            return False
        self.share /= 2
        self.let_go()
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return True

    def tensor(self, place: int, *shape: int) -> Tensor:
        """An uninitialised float32 tensor of this shape, in buffer 0, 1 or 2."""
        size = math.prod(shape)
        if self.flat[place].numel() < size:
            self.flat[place] = self.flat[place].new_empty(size)
        return self.flat[place][:size].view(shape)

    def future(self, n_rows: int) -> Tensor:
        """[row, row] or larger: HIDDEN above the diagonal, else 0."""
        if len(self.triangle) < n_rows:
            self.triangle = self.triangle.new_full((n_rows, n_rows), HIDDEN).triu_(1)
        return self.triangle


def attend(call: Call, sums: Sums, workspace: Workspace) -> Tensor:
    """The layer's output [batch, head, token, d]; `sums` get the rows of its attention."""
    batch, n_heads, n_tokens, d = call.query.shape
    n_kv, d_value = call.value.shape[1], call.value.shape[-1]
    # Grouped heads share a key head by view, never a repeat: [batch, kv, group, token, d].
    query = (call.query.float() * call.scale).reshape(batch, n_kv, -1, n_tokens, d)
    key = call.key.float().reshape(batch * n_kv, -1, d).transpose(1, 2)
    value = call.value.float().reshape(batch * n_kv, -1, d_value)
    # Laid out as [batch, token, head, d], which the rest of the model expects.
    output = value.new_empty(batch, n_tokens, n_heads, d_value).transpose(1, 2)
    stop = 0
    while stop < n_tokens:
        n_rows = sums.plan.block or block_rows(call, stop, workspace.share)
        start, stop = stop, min(stop + n_rows, n_tokens)
        n_keys = stop if call.is_causal else n_tokens + call.n_extra
        logits, probability = (
            workspace.tensor(place, batch, n_heads, stop - start, n_keys) for place in (0, 1)
        )
        rows = query[:, :, :, start:stop].reshape(batch * n_kv, -1, d)
        # [batch * kv, group * query, key] is the same memory as [batch, head, query, key].
        flat = (batch * n_kv, rows.shape[1], n_keys)
        torch.bmm(rows, key[:, :, :n_keys], out=logits.view(flat))
        if call.softcap is not None:
            logits.copy_(capped(logits, call.softcap))
        padding = sums.frame.padding if sums.frame.hides_padding else None
        hide(logits, call, start, workspace.future(stop - start), padding)
        if call.sink is not None:
            probability.copy_(with_sink(logits, rows_of(call.sink, start, stop).float()))
        elif call.attention == "softmax":
            torch.softmax(logits, -1, out=probability)
        else:
            n_visible = sums.frame.visible.n_keys[:, start:stop]
            probability.copy_(ALTERNATIVES[call.attention](logits, n_visible))
        part = workspace.tensor(2, batch * n_kv, rows.shape[1], d_value)
        torch.bmm(probability.view(flat), value[:, :n_keys], out=part)
        output[:, :, start:stop] = part.view(batch, n_heads, stop - start, d_value)
        sums.add(start, logits[..., :n_tokens], probability[..., :n_tokens])
    return output.to(call.query.dtype)


def block_rows(call: Call, start: int, share: float) -> int:
    """Query rows of the block at `start`, so that the logits of all heads fit its share of bytes;
    of a causal block at most a quarter of the document, since the square on its diagonal is
    computed in full, or as many as have LEAST_ENTRIES."""
    batch, n_heads, n_tokens, _ = call.query.shape
    most_bytes = GPU_BLOCK_BYTES if call.query.is_cuda else CPU_BLOCK_BYTES
    n_entries = share * most_bytes // (4 * batch * n_heads)
    if not call.is_causal:
        return round_rows(n_entries / n_tokens)
    # rows * (start + rows) entries of each head: the keys of a causal block grow with it.
    rows = (math.sqrt(start**2 + 4 * n_entries) - start) / 2
    least = LEAST_ENTRIES / (batch * n_heads * n_tokens)
    return round_rows(min(rows, max(n_tokens / 4, least)))


def round_rows(rows: float) -> int:
    """A multiple of 16, for which matrix products are fast, and at least 16."""
    return max(16, int(rows) // 16 * 16)
