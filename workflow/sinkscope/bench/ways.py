"""Three ways to run a model: `forward`, the plain pass (sdpa); `sinkscope`, observed with every
statistic of the tables; `output_attentions`, the eager pass that returns all matrices, followed by
the same reductions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from sinkscope.extract.devices import moved
from sinkscope.extract.frame import Frame
from sinkscope.extract.masks import Call, count_visible
from sinkscope.extract.model import Loaded
from sinkscope.extract.plan import Plan
from sinkscope.extract.sums import Sums

WAYS = ("forward", "sinkscope", "output_attentions")


def passes(
    loaded: Loaded, ids: Tensor, plan: Plan, observe: Callable[[], object]
) -> dict[str, Callable[[], object]]:
    """Each way as a function. observe: runs the model over the same ids, with all statistics."""
    is_causal = loaded.family == "decoder"
    options = {"use_cache": False} if is_causal else {}

    def forward(attention: str = "sdpa", **more: Any) -> Any:
        loaded.network.set_attn_implementation(attention)
        with torch.inference_mode():
            return loaded.network(input_ids=ids, **options, **more)

    def sinkscope() -> None:
        loaded.network.set_attn_implementation("sdpa")
        observe()

    def output_attentions() -> None:
        output = forward("eager", output_attentions=True)
        with torch.inference_mode():
            reduce_full(output.attentions, plan, is_causal=is_causal)

    return dict(zip(WAYS, (forward, sinkscope, output_attentions), strict=True))


def reduce_full(attentions: Sequence[Tensor], plan: Plan, *, is_causal: bool) -> None:
    """The reductions of full matrices. attentions: [batch, head, query, key] of every layer.
    Without sinks, which need queries and keys."""
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
