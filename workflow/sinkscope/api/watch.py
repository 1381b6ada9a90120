"""A wrapper around a model's `forward` that runs context managers around every pass."""

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import torch

# From (forward, args, options) to a context manager around the pass.
Around = Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any]], AbstractContextManager]


class Watched:
    """Replaces a model's `forward`: runs the pass inside all context managers in `blocks`. It is
    not a hook: torch runs none after a KeyboardInterrupt, and others may change the inputs. A copy
    or a pickle of the model has the original forward. Code that torch.compile compiled around it
    runs it uncompiled."""

    def __init__(self, network: torch.nn.Module) -> None:
        functools.update_wrapper(self, network.forward)
        self._network, self._forward = network, network.forward
        self.before = vars(network).get("forward")  # accelerate sets one on instances
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
    """Within the block, every forward pass of the model, in any thread, runs inside `around`.

    Blocks may end in any order; the last one restores the model's forward.
    """
    with _lock:
        current = vars(network).get("forward")
        wrapper = current if isinstance(current, Watched) else Watched(network)
        network.forward = wrapper
        wrapper.blocks.append(around)
    try:
        yield
    finally:
        with _lock:
            wrapper.blocks.remove(around)
            # A later wrapper over this one stays; this one then only calls the original forward.
            if not wrapper.blocks and vars(network).get("forward") is wrapper:
                del network.forward
                if wrapper.before is not None:
                    network.forward = wrapper.before


_lock = threading.Lock()
