"""The statistics block by block of query rows, in torch: on every device."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from sinkscope.extract import streaming
from sinkscope.extract.constants import moved
from sinkscope.extract.frame import Frame
from sinkscope.extract.masks import HIDDEN, Call, count_unmasked
from sinkscope.extract.plan import Plan
from sinkscope.extract.streaming import Workspace
from sinkscope.extract.sums import Sums
from sinkscope.kernels.statistics import HeadStatistics, completed


class RowSums(Sums):
    """The sums of a layer, and of every row the largest logit and its key."""

    def __init__(self, frame: Frame, call: Call) -> None:
        super().__init__(frame, call, layer=0)
        self.max_logit = torch.empty_like(self.nats)
        self.max_key_of_head = torch.empty_like(self.nats, dtype=torch.int64)
        self.is_broken = torch.empty_like(self.nats, dtype=torch.bool)

    def add(self, start: int, logits: Tensor, p: Tensor) -> None:
        rows = slice(start, start + p.shape[2])
        largest, at = logits.max(-1)
        is_blind = largest <= HIDDEN / 2  # sees no key: softmax made its row uniform
        is_broken = ~(largest < torch.inf)  # NaN or infinite
        p.masked_fill_((is_blind | is_broken)[..., None], 0.0)
        logits.masked_fill_(is_broken[..., None], 0.0)
        self.max_logit[:, :, rows] = largest.masked_fill(is_blind, -torch.inf)
        self.max_key_of_head[:, :, rows] = at.masked_fill(is_blind, -1)
        self.is_broken[:, :, rows] = is_broken
        super().add(start, logits, p)


def by_blocks(call: Call, plan: Plan, *, with_map: bool) -> HeadStatistics:
    """plan: as entry.attention_statistics makes it."""
    plan = moved(plan, call.query.device)
    # Only statistics that nobody reads here depend on what a mask hides.
    visible = count_unmasked(plan.real, plan.window_rows(), is_causal=call.is_causal)
    sums = RowSums(Frame(plan, visible, is_causal=call.is_causal), call)
    streaming.attend(call, sums, Workspace(call.query.device))
    is_blind = sums.max_key_of_head < 0
    rows = HeadStatistics(
        received=sums.received.float(),
        log_sum_exp=sums.normalizer.masked_fill(is_blind, -torch.inf),
        max_logit=sums.max_logit,
        max_key=sums.max_key_of_head,
        entropy=sums.nats,
        mean_max_key=sums.max_key,
        mean_max_value=sums.max_value,
        mean_map=sums.pooled(sums.maps[:, 0]) if with_map else None,
        sink_attention=None,
        backend="blocks",
    )
    if call.sink is not None:  # such a row is all on the sink
        sink = call.sink[..., 0].expand_as(is_blind)
        rows = replace(rows, log_sum_exp=torch.where(is_blind, sink, rows.log_sum_exp))
    return completed(rows, sums.is_broken, call.sink)
