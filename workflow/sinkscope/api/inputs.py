"""Inputs of one forward pass: its rows, and the mask of their real tokens."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sinkscope.errors import SinkscopeError


@dataclass(frozen=True)
class Inputs:
    """Of one pass, on the processor. ids: [row, token], or None. real: [row, token], no padding."""

    ids: Tensor | None
    real: Tensor

    def ids_of(self, row: int) -> list[int] | None:
        """Ids of the row's real tokens."""
        return None if self.ids is None else self.ids[row][self.real[row]].tolist()


def arguments_of(
    forward: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]
) -> dict[str, Any] | None:
    """The arguments of a call by name; None for a call that `forward` itself refuses."""
    signature = inspect.signature(forward)
    try:
        bound = signature.bind(*args, **options).arguments
    except TypeError:
        return None
    by_name: dict[str, Any] = {}
    for name, value in bound.items():
        kind = signature.parameters[name].kind
        by_name |= value if kind is inspect.Parameter.VAR_KEYWORD else {name: value}
    return by_name


def has_cache(arguments: Mapping[str, Any]) -> bool:
    """Whether the queries attend to keys of an earlier pass, as in generation."""
    cache = arguments.get("past_key_values")
    if cache is None:
        return False
    n_cached = cache.get_seq_length() if hasattr(cache, "get_seq_length") else len(cache)
    return bool(n_cached > 0)


def inputs_of(model: str, arguments: Mapping[str, Any]) -> Inputs:
    """The inputs of a pass. Raises SinkscopeError if they cannot be observed row by row."""
    ids, embeddings = arguments.get("input_ids"), arguments.get("inputs_embeds")
    inputs = ids if ids is not None else embeddings
    if inputs is None:
        raise SinkscopeError(
            f"model '{model}': its forward pass was given neither input_ids nor inputs_embeds; "
            "observe the part of the model that reads text."
        )
    for name in ("encoder_hidden_states", "encoder_outputs"):
        if arguments.get(name) is not None:
            raise SinkscopeError(
                f"model '{model}': with {name} it attends to another input, which cannot be "
                "observed; leave it out, or observe an encoder or a decoder alone."
            )
    shape = inputs.shape[:2] if inputs.dim() > 1 else (1, *inputs.shape)
    mask = arguments.get("attention_mask")
    real = torch.ones(shape, dtype=torch.bool) if mask is None else real_tokens(model, mask, shape)
    check_whole(model, real, arguments.get("position_ids"))
    return Inputs(None if ids is None else ids.detach().cpu().reshape(shape), real)


def real_tokens(model: str, mask: Any, shape: tuple[int, ...]) -> Tensor:
    """[row, token] bool: True at real tokens, False at padding."""
    if not isinstance(mask, Tensor) or mask.dim() != 2:
        raise SinkscopeError(
            f"model '{model}': its attention_mask does not say which tokens are padding; give one "
            "of shape [batch, token], with 0 at padding, as the tokenizer makes it."
        )
    if mask.shape != shape:
        raise SinkscopeError(
            f"model '{model}': its attention_mask has shape {list(mask.shape)}, but its input has "
            f"{list(shape)}; give one number per token."
        )
    return mask.detach().cpu() != 0


def check_whole(model: str, real: Tensor, positions: Any) -> None:
    """Raises SinkscopeError unless each row is one text, with padding only at its ends. real: [row,
    token]. positions: None, or [row or 1, token]; a jump in them is the end of a text."""
    n_runs = real[:, :1].int().sum(1) + (real[:, 1:] & ~real[:, :-1]).sum(1)
    for row, n in enumerate(n_runs.tolist()):
        if n != 1:
            what = "is all padding" if n == 0 else "has padding between its tokens"
            raise SinkscopeError(
                f"model '{model}': row {row} of the batch {what} by its attention_mask; give one "
                "text per row, padded on the left or on the right."
            )
    if not isinstance(positions, Tensor) or positions.dim() != 2:
        return
    steps = positions.detach().cpu().expand(len(real), -1).diff(dim=1)
    if (steps[real[:, 1:] & real[:, :-1]] != 1).any():
        raise SinkscopeError(
            f"model '{model}': its position_ids start anew within a row, so that several texts "
            "share it; give one text per row."
        )
