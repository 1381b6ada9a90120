"""Run a model over ids and observe the attention of every layer, as the extraction jobs do.

The library's own output_attentions is wrong for Falcon with ALiBi (transformers 4.45 to 5.23 add
it twice) and holds all matrices at once; see `door` for how attention is intercepted here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import transformers
from torch import Tensor

from sinkscope.errors import ModelError, SinkscopeError, error_class
from sinkscope.extract.alibi import by_key
from sinkscope.extract.architecture import COMPATIBILITY
from sinkscope.extract.door import answered
from sinkscope.extract.layers import fault_of
from sinkscope.extract.listeners import UnobservableError
from sinkscope.extract.masks import Call
from sinkscope.extract.model import Loaded
from sinkscope.extract.own_code import own_code_of


def run_observed(
    loaded: Loaded,
    attend: Callable[[Call], Tensor],
    ids: Tensor,
    attention_mask: Tensor | None = None,
    *,
    hidden_states: bool = False,
) -> Any:
    """One forward pass over ids [batch, token], with each layer's attention computed by `attend`.

    attention_mask: [batch, token], 0 at padding; None without padding. Returns the model's output,
    with the hidden states of all layers if `hidden_states`. Raises ModelError if the model does not
    call the attention once per layer, SinkscopeError if the pass itself fails.
    """
    layers: list[int | None] = []  # of each call
    n_heads: list[int] = []

    def count_and_attend(call: Call) -> Tensor:
        layers.append(call.layer)
        n_heads.append(call.query.shape[1])
        return attend(with_bias(call))

    options: dict[str, Any] = {"input_ids": ids, "attention_mask": attention_mask}
    if loaded.family == "decoder":
        options["use_cache"] = False
    if hidden_states:
        options["output_hidden_states"] = True
    reason, output = None, None
    try:
        padded = attention_mask is not None
        with (
            torch.inference_mode(),
            answered(count_and_attend, numbers=loaded.layer_numbers, n_tokens=ids.shape[1]),
            by_key(loaded.network, padded=padded) as with_bias,
            own_code_of(loaded.network),
        ):
            output = loaded.network(**options)
    except UnobservableError as error:
        reason = str(error)
    except SinkscopeError:
        raise
    except Exception as error:  # the library's code may raise any
        raise error_class(error)(failed_pass(loaded, ids.shape[1], error)) from error
    if reason is None:
        reason = fault_of(layers, n_heads, loaded.network, loaded.config)
    if reason is not None:
        raise unobservable(loaded.row.model, loaded.network, reason, loaded.n_layers)
    return output


def attention_layers(loaded: Loaded) -> list[int]:
    """The layers that have attention: in hybrid models, not all."""
    layers: list[int] = []

    def pass_on(call: Call) -> Tensor:
        layers.append(len(layers) if call.layer is None else call.layer)
        assert call.own is not None
        return call.own()

    run_observed(loaded, pass_on, torch.tensor([[0, 1]], device=loaded.device))
    return layers


def unobservable(model: str, network: Any, reason: str, n_layers: int) -> ModelError:
    """The error for a model that does not call the attention once per layer. reason: what it does
    instead."""
    return ModelError(
        f"model '{model}': the attention of {type(network).__name__} cannot be observed ({reason}; "
        f"{n_layers} layers were expected); choose a model of another architecture "
        f"({COMPATIBILITY})."
    )


def failed_pass(loaded: Loaded, n_tokens: int, error: Exception) -> str:
    """The error message for a pass that failed, by a fault of the model or of the device."""
    what = f"model '{loaded.row.model}': the forward pass over {n_tokens} tokens failed"
    if isinstance(error, torch.OutOfMemoryError):
        return f"{what}: out of GPU memory; use a smaller dtype or max_length."
    reason = " ".join(str(error).split())[:300]
    remedy = "check that tokenizer and weights match"
    if isinstance(error, (AttributeError, TypeError, KeyError)):  # of the library's own code
        remedy = f"use another version of transformers than {transformers.__version__}"
    return f"{what} ({type(error).__name__}: {reason}); {remedy}."
