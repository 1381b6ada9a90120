"""Knowing when a model's forward pass runs, whoever calls it, and with what."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import torch

# From (forward, args, options) to a block around the pass.
Around = Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any]], AbstractContextManager]


class Watched:
    """Stands in a model's `forward`: the pass, in all blocks that are open around it.

    Not a hook: torch runs no hook after a KeyboardInterrupt, and the hooks of others may change
    what the model is given; `forward` gets what is left. A copy or a pickle of the model has its
    own forward back. Code that torch.compile compiled around the model runs it uncompiled.
    """

    def __init__(self, network: torch.nn.Module) -> None:
        functools.update_wrapper(self, network.forward)
        self._network, self._forward = network, network.forward
        self.before = vars(network).get("forward")  # accelerate gives instances one
        self.blocks: list[Around] = []

    @torch.compiler.disable
    def __call__(self, *args: Any, **options: Any) -> Any:
        with ExitStack() as stack:
            for around in tuple(self.blocks):
                stack.enter_context(around(self._forward, args, options))
            return self._forward(*args, **options)

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (self._network, "forward")


@contextmanager
def watched(network: torch.nn.Module, around: Around) -> Iterator[None]:
    """Within the block every forward pass of the model, in any thread, runs inside `around`.

    Blocks may end in any order; the last one gives the model its forward back.
    """
    with _lock:
        there = vars(network).get("forward")
        here = there if isinstance(there, Watched) else Watched(network)
        network.forward = here
        here.blocks.append(around)
    try:
        yield
    finally:
        with _lock:
            here.blocks.remove(around)
            # Another wrapper that was put over ours stays, and ours below it does nothing more.
            if not here.blocks and vars(network).get("forward") is here:
                del network.forward
                if here.before is not None:
                    network.forward = here.before


_lock = threading.Lock()
