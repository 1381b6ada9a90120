"""Who gets a model's attention calls: the listeners of the blocks that are open in a thread.

`door` and `own_code` intercept a call and pass it on to `serve`. A call is served only in the
thread that opened the block and, where a model is named, only if it comes from inside that model.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

import torch
from torch import Tensor

from sinkscope.extract.layers import Numbers, layer_of
from sinkscope.extract.masks import Call

Attend = Callable[[Call], Any]

_CALL = torch.nn.Module._call_impl.__code__


class UnobservableError(Exception):
    """The model does not call the attention exactly once per layer over the whole document."""


@dataclass(frozen=True, eq=False)
class Listener:
    """attend: called with each attention call. modules: ids of the modules whose calls it gets;
    None for all.

    beside: False if `attend` returns the layer's output; True if the model computes its own output
    as usual and `attend` only observes. numbers: of the layers, as layer_numbers. n_tokens: of the
    input; calls with another number of queries are ignored. None: unknown.
    """

    attend: Attend
    modules: frozenset[int] | None
    beside: bool
    numbers: Numbers
    n_tokens: int | None


class _Thread(threading.local):
    """State of one thread: the listeners of its open blocks, the innermost last; whether a call is
    being served, and whether torch's attention is running for it."""

    def __init__(self) -> None:
        self.listeners: list[Listener] = []
        self.is_serving = False
        self.in_original = False


thread = _Thread()


def listening() -> list[Listener]:
    """The listeners that get the current call, the innermost block first."""
    if not thread.listeners or thread.is_serving:
        return []
    module: torch.nn.Module | None = None
    if any(one.modules is not None for one in thread.listeners):
        module = next(calling_modules(), None)
    return [
        one
        for one in reversed(thread.listeners)
        if one.modules is None or id(module) in one.modules
    ]


def calling_modules() -> Iterator[torch.nn.Module]:
    """The modules whose __call__ runs in this thread, the innermost first.

    torch passes no caller to a function, so the stack is searched: about a dozen frames per layer.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code is _CALL:
            yield frame.f_locals["self"]
        frame = frame.f_back


def serve(
    listeners: list[Listener], call: Call, dropout_p: float, run: Callable[[], Tensor]
) -> Tensor:
    """The layer's output, from the innermost listener that makes it, else from the model."""
    n_queries = call.query.shape[2]
    listeners = [one for one in listeners if one.n_tokens in (None, n_queries)]
    output: Tensor | None = None
    thread.is_serving = True
    try:
        for one in listeners:
            if not one.beside:
                if call.query.shape[2] != call.key.shape[2] - call.n_extra or dropout_p:
                    raise UnobservableError(
                        "it attends to a cache or another input, or applies dropout"
                    )
                answer = one.attend(numbered(call, one))
                output = answer if output is None else output
        output = run() if output is None else output
        observers = [one for one in listeners if one.beside]
        if observers:
            device = call.query.device.type
            with torch.inference_mode(), torch.autocast(device, enabled=False):
                for one in observers:
                    one.attend(numbered(call, one))
        return output
    finally:
        thread.is_serving = False


def numbered(call: Call, listener: Listener) -> Call:
    """The call with its layer, as the listener numbers them."""
    if not listener.numbers:
        return call
    return call._replace(layer=layer_of(calling_modules(), listener.numbers))
