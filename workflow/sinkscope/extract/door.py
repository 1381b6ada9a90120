"""The one place where a model's attention is intercepted.

Every family that transformers runs through sdpa calls torch's scaled_dot_product_attention once per
layer; models with learned sinks or soft caps get their own function from the library's
AttentionInterface (`interface`); the variants of this package call `variants.attention`. While an
`answered` block is open, all three lead to a router; so does the softmax of models with
model-specific attention code (`own_code`). Calls that no listener gets (`listeners`) go to torch or
the library unchanged.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AttentionInterface

from sinkscope.extract import variants
from sinkscope.extract.interface import is_the_formula, request_of
from sinkscope.extract.layers import Numbers
from sinkscope.extract.listeners import (
    Attend,
    Listener,
    UnobservableError,
    listening,
    serve,
    thread,
)
from sinkscope.extract.masks import Call, of_key_head

_TORCH = F.scaled_dot_product_attention
_LIBRARY = AttentionInterface.get_interface


@contextmanager
def answered(
    attend: Attend,
    model: torch.nn.Module | None = None,
    *,
    beside: bool = False,
    numbers: Numbers | None = None,
    n_tokens: int | None = None,
) -> Iterator[None]:
    """Within the block, in this thread, `attend` gets every attention call.

    model: only calls from inside this model; None for all of them, where nothing else can run.
    numbers: of the model's layers, as layer_numbers; without them a call does not say its layer.
    n_tokens: calls with another number of queries are left to the model (Inkling attends to its
    earlier layers, too).
    beside: `attend` returns nothing and changes nothing: the model's own attention runs first,
    with its dropout, autocast and gradients, and `attend` is called after it in inference mode.
    Otherwise the layer's output is what `attend` returns, and a call that drops attention or whose
    keys are not its queries' tokens raises UnobservableError.
    """
    modules = None if model is None else frozenset(map(id, model.modules()))
    listener = Listener(attend, modules, beside, numbers or {}, n_tokens)
    _patch.open()
    thread.listeners.append(listener)
    try:
        yield
    finally:
        thread.listeners.remove(listener)
        _patch.close()


class _Patch:
    """Installs the router while any thread has a block open, and restores torch's function
    afterwards.

    If another patch was installed over ours and is still there, it is left in place: the calls that
    it passes on reach no listener and go to torch.
    """

    def __init__(self) -> None:
        self._lock, self._n_open = threading.Lock(), 0
        self.attention: Callable[..., Tensor] = _TORCH
        self.variant = variants.attention

    def open(self) -> None:
        with self._lock:
            if self._n_open == 0 and F.scaled_dot_product_attention is not _attention:
                self.attention = F.scaled_dot_product_attention
                F.scaled_dot_product_attention = _attention
            variants.attention = _variant
            AttentionInterface.get_interface = _get_interface
            self._n_open += 1

    def close(self) -> None:
        with self._lock:
            self._n_open -= 1
            if self._n_open == 0:
                variants.attention = self.variant
                AttentionInterface.get_interface = _LIBRARY
                if F.scaled_dot_product_attention is _attention:
                    F.scaled_dot_product_attention = self.attention


_patch = _Patch()


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Takes the place of torch's scaled_dot_product_attention."""

    def run() -> Tensor:
        # A patch over ours may lead back here: the second time, torch's own function runs.
        original = _TORCH if thread.in_original else _patch.attention
        before, thread.in_original = thread.in_original, True
        try:
            return original(
                query, key, value, attn_mask, dropout_p, is_causal,
                scale=scale, enable_gqa=enable_gqa,
            )  # fmt: skip
        finally:
            thread.in_original = before

    listeners = listening()
    if not listeners:
        return run()
    mask = attn_mask
    if mask is not None:
        while mask.dim() < 4:  # [query, key] or [batch or head, query, key]
            mask = mask[None]

    def own(key_head: int | None = None) -> Tensor:
        if key_head is None:
            return run()
        one = of_key_head(call, key_head)
        # Not with enable_gqa, for which torch has no float32 kernel on GPUs: all scores would be in
        # memory at once.
        of_key, of_value = (
            rows.expand(-1, one.query.shape[1], -1, -1) for rows in (one.key, one.value)
        )
        return _patch.attention(one.query, of_key, of_value, one.mask, 0.0, is_causal, scale=scale)

    factor = query.shape[-1] ** -0.5 if scale is None else scale
    call = Call(query, key, value, mask, is_causal, factor, own=own)
    return serve(listeners, call, dropout_p, run)


def _variant(call: Call) -> Tensor:
    """Takes the place of variants.attention."""
    listeners = listening()
    if not listeners:
        return _patch.variant(call)

    def run() -> Tensor:
        return _patch.variant(call)

    def own(key_head: int | None = None) -> Tensor:
        return run() if key_head is None else _patch.variant(of_key_head(call, key_head))

    return serve(listeners, call._replace(own=own), 0.0, run)


def _get_interface(self: AttentionInterface, name: str, default: Callable[..., Any]) -> Any:
    """Takes the place of AttentionInterface.get_interface."""
    function = _LIBRARY(self, name, default)
    if function is not default or not thread.listeners or thread.is_serving:
        return function

    def attention(
        module: torch.nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        **options: Any,
    ) -> tuple[Tensor, Any]:
        listeners = listening()
        if not listeners:
            return function(module, query, key, value, attention_mask, **options)
        request = request_of(function, module, query, key, value, attention_mask, options)
        thread.is_serving = True  # its softmax is no call of its own
        try:
            is_known = is_the_formula(module, request)
        finally:
            thread.is_serving = False
        if not is_known:
            raise UnobservableError(
                f"{type(module).__name__} computes rows other than the softmax of its products"
            )
        weights = None

        def run() -> Tensor:
            nonlocal weights
            output, weights = request.run(query.shape[2])
            return output.transpose(1, 2)

        output = serve(listeners, request.call, request.dropout, run)
        return output.transpose(1, 2).contiguous(), weights

    return attention
