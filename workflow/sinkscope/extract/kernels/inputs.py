"""What the kernels read beside queries and keys; the same for all layers of a pass."""

from __future__ import annotations

import torch
from torch import Tensor

from sinkscope.extract import devices
from sinkscope.extract.masks import Visible
from sinkscope.extract.sums import Plan

# Rows are padded to a multiple of this, so that no tile reads beyond them.
ROWS = 256


class Inputs:
    """Made on the processor and copied at once: many small steps on a GPU would hold it up.

    Flags and weights of tokens are float32 [.., n_padded]: real, counted (all but the first
    query), sinks, n_queries, n_window_queries, entropy_weight [batch, n_padded]; members, keys of
    each set, [batch, key_set, n_padded]; groups of queries whose attention is summed apart, one
    a set and then the first query alone, [batch, key_set + 1, n_padded]. Numbers of documents
    are float64 [batch]: n_real, n_later, n_entropy, first (position of key 0); n_strict and
    of_others [batch, key_set]. offsets: int32 [offset], None without any.
    """

    def __init__(self, plan: Plan, visible: Visible, device: torch.device) -> None:
        plan = devices.moved(plan, torch.device("cpu"))
        seen = devices.moved(visible, torch.device("cpu"))
        _, self.n_tokens, self.n_sets = plan.key_sets.shape
        self.n_padded = -(-self.n_tokens // ROWS) * ROWS
        real, rank = plan.real, plan.rank()
        later = real & (rank > 0)
        with_entropy = later & (seen.n_keys > 1)  # a row that sees one key has none
        sets = plan.key_sets.transpose(1, 2)  # [batch, key_set, token]
        members = sets & later[:, None]
        # The strict mass leaves out a set's own queries: these are summed, or the others,
        # whichever are fewer, so that no small difference of large sums is taken.
        n_members, n_later = members.sum(-1), later.sum(1)
        of_others = n_members * 2 > n_later[:, None]
        chosen = torch.where(of_others[..., None], later[:, None] & ~members, members)
        groups = torch.cat([chosen, (real & ~later)[:, None]], 1)
        rows = [
            real, later, plan.sinks, seen.n_queries, seen.n_window_queries,
            with_entropy / seen.n_keys.clamp(min=2).log(), sets, groups,
        ]  # fmt: skip
        packed = self.packed([row.reshape(-1, self.n_tokens) for row in rows])
        (
            self.real, self.counted, self.sinks, self.n_queries, self.n_window_queries,
            self.entropy_weight, self.members, self.groups,
        ) = pinned(packed, device).split([row[..., 0].numel() for row in rows])  # fmt: skip
        first = real.int().argmax(1)
        n_strict = n_later[:, None] - n_members
        numbers = [real.sum(1), n_later, with_entropy.sum(1), first, n_strict, of_others]
        flat = torch.cat([number.reshape(-1).double() for number in numbers])
        (
            self.n_real, self.n_later, self.n_entropy, self.first, self.n_strict, self.of_others
        ) = pinned(flat, device).split([number.numel() for number in numbers])  # fmt: skip
        self.window, self.offsets = plan.window, None
        if plan.offsets:
            self.offsets = torch.tensor(plan.offsets, dtype=torch.int32, device=device)

    def packed(self, rows: list[Tensor]) -> Tensor:
        """float32 [row, n_padded] of all rows, zeros behind them."""
        found = torch.zeros(sum(len(row) for row in rows), self.n_padded)
        torch.cat([row.float() for row in rows], out=found[:, : self.n_tokens])
        return found


def pinned(values: Tensor, device: torch.device) -> Tensor:
    """The values on the device. From pinned memory: a plain copy would wait for all that the
    GPU still has to do."""
    if device.type != "cuda":
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)
