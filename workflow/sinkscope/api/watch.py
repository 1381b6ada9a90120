"""Knowing when a model's forward pass runs, whoever calls it, and with what."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch

# From (forward, args, options) to a block around the pass.
Around = Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any]], AbstractContextManager]


class Watched:
    """Stands in a model's `forward`: the pass, in a block of its own.

    Not a hook: torch runs no hook after a KeyboardInterrupt, and the hooks of others may change
    what the model is given; `forward` gets what is left. A copy or a pickle of the model has its
    own forward back.
    """

    def __init__(self, network: torch.nn.Module, around: Around) -> None:
        functools.update_wrapper(self, network.forward)  # also copies what another of these holds
        self._network, self._forward, self._around = network, network.forward, around

    def __call__(self, *args: Any, **options: Any) -> Any:
        with self._around(self._forward, args, options):
            return self._forward(*args, **options)

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (self._network, "forward")


@contextmanager
def watched(network: torch.nn.Module, around: Around) -> Iterator[None]:
    """Within the block every forward pass of the model runs inside `around`."""
    before = vars(network).get("forward")  # that of an instance, as accelerate puts there
    here = Watched(network, around)
    network.forward = here
    try:
        yield
    finally:
        if vars(network).get("forward") is here:  # else others, who came later, keep theirs
            del network.forward
            if before is not None:
                network.forward = before
