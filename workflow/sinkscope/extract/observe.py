"""See every layer's attention while a model of any family runs.

All families call torch's scaled_dot_product_attention once a layer. Replacing that
attribute for the length of a forward pass shows query, key and mask of every layer in
order, with no code of any model's own. The library's own output_attentions is wrong for
Falcon with ALiBi (transformers 4.45 to 5.23 add it twice) and holds all matrices at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sinkscope.errors import ModelError, error_class
from sinkscope.extract import variants
from sinkscope.extract.alibi import by_key
from sinkscope.extract.masks import Call
from sinkscope.extract.model import Loaded


class UnobservableError(Exception):
    """The attention went another way than one call a layer over the whole document."""


@contextmanager
def patched(attend: Callable[[Call], Tensor]) -> Iterator[None]:
    """Within the block, every attention, softmax or variant, is answered by `attend(call)`."""

    def answer(
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        if query.shape[2] != key.shape[2] or dropout_p:
            raise UnobservableError("it attends to a cache or another input, or drops attention")
        if attn_mask is not None:
            while attn_mask.dim() < 4:  # [query, key] or [batch or head, query, key]
                attn_mask = attn_mask[None]
        scale = query.shape[-1] ** -0.5 if scale is None else scale
        return attend(Call(query, key, value, attn_mask, is_causal, scale))

    original, variant = F.scaled_dot_product_attention, variants.attention
    F.scaled_dot_product_attention = answer
    variants.attention = attend  # type: ignore[assignment]
    try:
        yield
    finally:
        F.scaled_dot_product_attention = original
        variants.attention = variant


def run_observed(
    loaded: Loaded,
    attend: Callable[[Call], Tensor],
    ids: Tensor,
    attention_mask: Tensor | None = None,
    *,
    hidden_states: bool = False,
) -> Any:
    """One forward pass over ids [batch, token], each layer's attention done by `attend`.

    attention_mask: [batch, token], 0 at padding; None where there is none. Returns the model's
    output, with the hidden states of all layers if they are wanted.
    Raises ModelError where the model does not call the attention once a layer, SinkscopeError
    where the pass itself fails.
    """
    n_calls = 0

    def counted(call: Call) -> Tensor:
        nonlocal n_calls
        n_calls += 1
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
            patched(counted),
            by_key(loaded.network, padded=padded) as with_bias,
        ):
            output = loaded.network(**options)
    except UnobservableError as error:
        reason = str(error)
    except (RuntimeError, IndexError, ValueError) as error:
        raise error_class(error)(failed_pass(loaded, ids, error)) from error
    if reason is None and n_calls != loaded.n_layers:
        reason = f"it calls scaled_dot_product_attention {n_calls} times in one pass"
    if reason is not None:
        raise ModelError(
            f"model '{loaded.row.model}': the attention of {type(loaded.network).__name__} cannot "
            f"be observed ({reason}; {loaded.n_layers} layers were expected); choose a model "
            "that transformers runs through sdpa."
        )
    return output


def failed_pass(loaded: Loaded, ids: Tensor, error: Exception) -> str:
    """The sentence for a model that cannot run: its own fault, or the device's."""
    what = f"model '{loaded.row.model}': the forward pass over {ids.shape[1]} tokens failed"
    if isinstance(error, torch.OutOfMemoryError):
        return f"{what} for want of GPU memory; use a smaller dtype or max_length."
    reason = " ".join(str(error).split())[:300]
    return f"{what} ({type(error).__name__}: {reason}); check that tokenizer and weights match."
