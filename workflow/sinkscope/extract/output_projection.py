"""The output projection of every layer, from the heads' outputs to a change of the states: the
linear module whose input equals the output of the attention, exactly or times a gate.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.pytorch_utils import Conv1D

from sinkscope.errors import ModelError
from sinkscope.extract.edit import attention_rows
from sinkscope.extract.masks import Call
from sinkscope.extract.model import Loaded
from sinkscope.extract.observe import run_observed


class ProjectionError(ModelError):
    """A model in which W_O is not the only map from its heads to the states."""


@dataclass(frozen=True)
class Projection:
    """Of one call of the attention. weight: [head, d_value, d_model], W_O of each head, without the
    bias, which is the same whatever a head attends to. gate: [head, token, d_value], the factor on
    the heads' outputs in this text; None for a model without gates. float64, on the CPU."""

    weight: Tensor
    gate: Tensor | None


def output_projections(loaded: Loaded, ids: Tensor) -> list[Projection]:
    """One per call of the attention. ids: [1, token]. Raises ProjectionError for a model whose
    heads' outputs do not enter a linear module unchanged or gated, or whose heads attend to keys
    without tokens."""
    projections: dict[int, tuple[torch.nn.Module, Tensor | None]] = {}
    outputs: list[Tensor] = []  # [token, head, d_value] of each call

    def attend(call: Call) -> Tensor:
        if call.n_extra:
            raise ProjectionError(
                f"model '{loaded.row.model}': its heads attend to keys without tokens, so the "
                "role of a head is not defined."
            )
        group = call.query.shape[1] // call.value.shape[1]
        value = call.value.float().repeat_interleave(group, 1)
        output = (attention_rows(call) @ value).to(call.query.dtype)
        outputs.append(output[0].transpose(0, 1))
        return output

    def enter(module: torch.nn.Module, states: Tensor) -> None:
        place = len(outputs) - 1
        if place not in projections and place >= 0 and is_same_or_gated(states, outputs[place]):
            projections[place] = module, gate_of(states, outputs[place])

    with watched(loaded.network, enter):
        run_observed(loaded, attend, ids.to(loaded.device))
    if len(projections) < len(outputs):
        raise ProjectionError(
            f"model '{loaded.row.model}': the outputs of the heads of "
            f"{type(loaded.network).__name__} do not enter a linear module unchanged or gated, "
            "so the output of each head is unknown."
        )
    return [
        Projection(of_heads(projections[at][0], one), projections[at][1])
        for at, one in enumerate(outputs)
    ]


def is_same_or_gated(states: Tensor, output: Tensor) -> bool:
    """Whether the states that enter a module are the heads' outputs side by side, unchanged or each
    times a factor from 0 to 1. Thousands of numbers do not agree by chance."""
    if states.numel() != output.numel() or states.shape[-1] != output[0].numel():
        return False
    states = states.reshape(output.shape)
    shrunk = (states * output >= 0) & (states.abs() <= output.abs())
    return bool(shrunk.all()) and bool(states.any())


def gate_of(states: Tensor, output: Tensor) -> Tensor | None:
    """[head, token, d_value]; None if they are the same. output: [token, head, d_value]; a factor
    on an output of 0 is taken for 0."""
    states = states.reshape(output.shape)
    if torch.equal(states, output):
        return None
    gate = states.double() / output.double()
    return gate.nan_to_num(0.0).transpose(0, 1).cpu()


def of_heads(module: Any, output: Tensor) -> Tensor:
    """[head, d_value, d_model] float64."""
    weight = module.weight if isinstance(module, Conv1D) else module.weight.T  # [in, out]
    _, n_heads, d_value = output.shape
    return weight.detach().double().cpu().reshape(n_heads, d_value, -1)


@contextmanager
def watched(network: torch.nn.Module, enter: Any) -> Iterator[None]:
    """Within the block, `enter` is called with every linear module and its input."""
    with ExitStack() as stack:
        for module in network.modules():
            if isinstance(module, (torch.nn.Linear, Conv1D)):
                handle = module.register_forward_pre_hook(
                    lambda one, args: enter(one, args[0]) if args else None
                )
                stack.callback(handle.remove)
        yield
