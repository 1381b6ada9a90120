"""Interception of attention functions that models look up in the library's AttentionInterface.

Models with learned sinks or a soft cap have no scaled_dot_product_attention. They ask
`AttentionInterface.get_interface(name, default)` for their attention, where `default` is the
function of their own module (`eager`). It receives everything that enters the attention, under the
library's names. The name `eager` is not replaced by one of ours: some models decide by that name
whether a sparse mask is applied.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple
from weakref import WeakSet

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor

from sinkscope.extract.masks import Call, heads_of, hide, rows_of
from sinkscope.extract.rows import capped, with_sink

N_COMPARED = 16  # query rows
# Largest difference to the model's own function, relative to the largest value: rounding.
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-5}
TOLERANCE_HALF = 0.03

_equal: WeakSet[torch.nn.Module] = WeakSet()  # modules whose function is known to be the formula


class Request(NamedTuple):
    """One call of a model's own attention function. call: as the formula has it. dropout: that
    probability. run: what the function itself returns, given that many of the query rows."""

    call: Call
    dropout: float
    run: Callable[[int], tuple[Tensor, Any]]


def request_of(
    function: Callable[..., Any],
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    options: dict[str, Any],
) -> Request:
    """options: the keyword arguments of the call."""
    parameters = inspect.signature(function).parameters
    defaults = {
        name: one.default for name, one in parameters.items() if one.default is not one.empty
    }
    given = defaults | options
    scale = given.get("scaling")
    n_tokens = query.shape[2]

    def run(n_rows: int) -> tuple[Tensor, Any]:
        def cut(rows: Any) -> Any:  # of [batch, head, query, ...]
            many = isinstance(rows, Tensor) and rows.ndim == 4 and rows.shape[2] == n_tokens
            return rows[:, :, :n_rows] if many else rows

        fewer = {k: cut(v) if k in ("position_bias", "sinks") else v for k, v in options.items()}
        return function(module, cut(query), key, value, cut(attention_mask), **fewer)

    def own(key_head: int | None = None) -> Tensor:
        return run(n_tokens)[0].transpose(1, 2)[:, heads_of(key_head, query, key)]

    call = Call(
        query,
        key,
        value,
        with_bias(attention_mask, given.get("position_bias")),
        is_causal=False,  # the mask says it
        scale=query.shape[-1] ** -0.5 if scale is None else scale,
        softcap=given.get("softcap"),
        sink=sink_of(module, given, query.shape[1]),
        n_extra=0 if getattr(module, "compressor", None) is None else key.shape[2] - n_tokens,
        own=own,
    )
    dropout = float(given.get("dropout") or 0.0) if module.training else 0.0
    return Request(call, dropout, run)


def with_bias(mask: Tensor | None, bias: Tensor | None) -> Tensor | None:
    """Their sum, [batch, head, query, key]."""
    if mask is None or bias is None:
        return bias if mask is None else mask
    return bias + mask


def sink_of(module: torch.nn.Module, given: dict[str, Any], n_heads: int) -> Tensor | None:
    """Logits of the virtual key, broadcastable to [batch, head, query, 1]; None without one."""
    names = ("s_aux", "sinks")
    sink = next((given[name] for name in names if given.get(name) is not None), None)
    if sink is None:
        sink = getattr(module, "sinks", None)
    if not isinstance(sink, Tensor):
        return None
    return sink.view(1, n_heads, 1, 1) if sink.numel() == n_heads else sink


def is_the_formula(module: torch.nn.Module, request: Request) -> bool:
    """Whether the model's function agrees with the formula of the call in its first query rows;
    tested once per module."""
    call = request.call
    if module in _equal or isinstance(call.query, FakeTensor) or call.query.is_meta:
        return True
    with torch.inference_mode(), torch.autocast(call.query.device.type, enabled=False):
        n_rows = min(N_COMPARED, call.query.shape[2])
        own = request.run(n_rows)[0].transpose(1, 2).float()
        expected = first_rows(call, n_rows)
        if own.shape != expected.shape:
            return False
        tolerance = TOLERANCE.get(call.value.dtype, TOLERANCE_HALF) * call.value.abs().max()
        if not bool((own - expected).abs().max() <= tolerance):
            return False
    _equal.add(module)
    return True


def first_rows(call: Call, n_rows: int) -> Tensor:
    """The first rows of a layer's output [batch, head, query, d], by the formula."""
    group = call.query.shape[1] // call.key.shape[1]
    key, value = (t.float().repeat_interleave(group, 1) for t in (call.key, call.value))
    logits = (call.query[:, :, :n_rows].float() * call.scale) @ key.transpose(2, 3)
    if call.softcap is not None:
        logits = capped(logits, call.softcap)
    hide(logits, call, 0, logits)
    rows = (
        logits.softmax(-1)
        if call.sink is None
        else with_sink(logits, rows_of(call.sink, 0, n_rows))
    )
    return rows @ value
