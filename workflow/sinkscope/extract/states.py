"""Residual states that enter each layer, reduced to a norm and a cosine per token."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sinkscope.extract.constants import constant
from sinkscope.extract.layers import layer_lists


class LayerState(NamedTuple):
    """norm: [batch, token], L2, of the residual state that enters a layer. cosine: [batch, token],
    of this state to that of the document's key 0."""

    norm: Tensor
    cosine: Tensor


class States:
    """The states of one forward pass. real: [batch, token] bool. reduce: reduce_state, or a
    function that computes the same. `take`, called once per layer, is None if the hooks did not run
    exactly once since the last."""

    def __init__(
        self, real: Tensor, reduce: Callable[[Tensor, Tensor], LayerState] | None = None
    ) -> None:
        self._reduce = reduce or reduce_state
        self._shape, self._first = real.shape, real.int().argmax(1)
        self._first_on: dict[torch.device, Tensor] = {}
        self._entered: list[tuple[int, LayerState]] = []

    def enter(self, layer: int, state: Tensor) -> None:
        """state: [batch, token, d]."""
        if state.shape[:2] == self._shape:
            self._entered.append((layer, self._reduce(state, self._first_of(state.device))))

    def take(self, layer: int | None = None) -> LayerState | None:
        """layer: the layer that attends, if known; layers without attention are skipped."""
        entered = [state for at, state in self._entered if layer is None or at == layer]
        self._entered = []
        return entered[0] if len(entered) == 1 else None

    def _first_of(self, device: torch.device) -> Tensor:
        """[batch] index of each document's key 0, copied to each device once."""
        if device not in self._first_on:
            self._first_on[device] = constant(self._first, device)
        return self._first_on[device]


def reduce_state(state: Tensor, first: Tensor) -> LayerState:
    """state: [batch, token, d]; first: [batch] index of key 0."""
    state = state.float()
    norm = torch.linalg.vector_norm(state, dim=-1)
    row = torch.arange(len(first), device=first.device)
    # As a row, not a column: the product takes an eighth of the time.
    product = torch.bmm(state[row, first][:, None], state.transpose(1, 2))[:, 0]
    length = norm * norm[row, first][:, None]
    return LayerState(norm, product / length.clamp(min=torch.finfo(length.dtype).tiny))


@contextmanager
def entering(network: torch.nn.Module, n_layers: int, states: States) -> Iterator[None]:
    """Within the block, `states` receives the input of each layer of the network, for passes in
    this thread. The layers are the network's only list of n_layers modules; without one, it gets
    nothing."""
    lists = layer_lists(network, n_layers)
    owner = threading.get_ident()

    # Another thread that runs the model while the hooks are removed may call one without options.
    def hook(
        layer: int, _: torch.nn.Module, args: tuple[Any, ...], options: dict[str, Any] | None = None
    ) -> None:
        state = args[0] if args else (options or {}).get("hidden_states")
        if threading.get_ident() == owner and isinstance(state, Tensor) and state.ndim == 3:
            with torch.inference_mode(), torch.autocast(state.device.type, enabled=False):
                states.enter(layer, state)

    with ExitStack() as stack:
        for layer, module in enumerate(lists[0] if len(lists) == 1 else ()):
            handle = module.register_forward_pre_hook(partial(hook, layer), with_kwargs=True)
            stack.callback(handle.remove)
        yield
