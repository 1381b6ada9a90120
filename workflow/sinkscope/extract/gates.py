"""Gates on the output of attention: factors from 0 to 1, per head or dimension (Qiu et al. 2025;
Qwen3-Next), that can silence a head. Measured as the ratio of the output after and before."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor

from sinkscope.extract.layers import is_attention, layer_lists

PROJECTIONS = ("o_proj", "c_proj", "out_proj", "dense")  # names of the output projection


class Gates:
    """Gates of one pass. real: [batch, token] bool. of_layer: [batch, head], mean over queries."""

    def __init__(self, real: Tensor) -> None:
        self.real, self.of_layer = real, dict[int, Tensor]()
        self._last: tuple[int, Tensor] | None = None

    def attended(self, layer: int, output: Tensor) -> None:
        """output: [batch, head, token, d], of the attention."""
        self._last = layer, output.transpose(1, 2)

    def projected(self, rows: Tensor) -> None:
        """rows: [batch, token, head * d], the input of the output projection. It is ignored if it
        has another shape than the output of the last attention."""
        if self._last is None:
            return
        (layer, output), self._last = self._last, None
        if rows.shape == (*output.shape[:2], output[0, 0].numel()):
            gated, output = rows.float().view_as(output), output.float()
            length = output.square().sum(-1).clamp(min=torch.finfo(output.dtype).tiny)
            gate = (gated * output).sum(-1) / length  # [batch, token, head]
            real = self.real.to(gate.device)[..., None]
            self.of_layer[layer] = (gate * real).sum(1) / real.sum(1)


def gated_projections(network: torch.nn.Module, n_layers: int) -> list[torch.nn.Module]:
    """The output projections of the layers whose attention has a gate."""
    return [
        projection
        for modules in layer_lists(network, n_layers)
        for layer in modules
        for module in layer.modules()
        if is_attention(type(module).__name__) and has_gate(type(module).forward)
        if (projection := projection_of(module)) is not None
    ]


@contextmanager
def gates_of(projections: Sequence[torch.nn.Module], real: Tensor) -> Iterator[Gates | None]:
    """The gates of this thread's passes; None without. projections: of gated_projections."""
    if not projections:
        yield None
        return
    gates, owner = Gates(real), threading.get_ident()

    def hook(_: torch.nn.Module, args: tuple[Any, ...]) -> None:
        if threading.get_ident() == owner and args:
            with torch.inference_mode(), torch.autocast(args[0].device.type, enabled=False):
                gates.projected(args[0])

    with ExitStack() as stack:
        for projection in projections:
            stack.callback(projection.register_forward_pre_hook(hook).remove)
        yield gates


@functools.cache  # asked in every pass, and finding a source takes milliseconds
def has_gate(forward: Callable[..., Any]) -> bool:
    """Whether the code of an attention mentions a gate. forward: of its class."""
    try:
        return "gate" in inspect.getsource(forward)
    except (OSError, TypeError):  # no source
        return False


def projection_of(module: torch.nn.Module) -> torch.nn.Module | None:
    """The output projection of an attention; None if no known name matches."""
    children = dict(module.named_children())
    return next((children[name] for name in PROJECTIONS if name in children), None)
