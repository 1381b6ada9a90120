"""The same reductions over full attention matrices, as output_attentions returns them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from sinkscope.extract.devices import moved
from sinkscope.extract.frame import Frame
from sinkscope.extract.masks import Call, count_visible
from sinkscope.extract.plan import Plan
from sinkscope.extract.sums import Sums


def reduce_full(attentions: Sequence[Tensor], plan: Plan, *, is_causal: bool) -> None:
    """attentions: [batch, head, query, key] of every layer. No sinks are found: that needs queries
    and keys, which are not among these."""
    batch, n_heads, n_tokens, _ = attentions[0].shape
    empty = attentions[0].new_empty(batch, n_heads, n_tokens, 1)
    call = Call(empty, empty, empty, None, is_causal, 1.0)
    plan = replace(plan, rule=None, sinks=torch.zeros_like(plan.real))
    plan = moved(plan, empty.device)
    visible = count_visible(call, plan.real, plan.window_rows())
    frame = Frame(plan, visible, is_causal=is_causal)
    for layer, matrix in enumerate(attentions):
        sums = Sums(frame, call, layer)
        p = matrix.float()
        sums.add(0, p.clamp(min=torch.finfo(p.dtype).tiny).log_(), p)
        sums.finish()
