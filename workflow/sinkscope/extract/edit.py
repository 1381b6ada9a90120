"""Edits of attention before it is computed, such as forbidding keys.

An edit is a function of the index of a Call in the pass, from 0 (in models with layers without
attention, not the layer's number), and the Call; it returns another Call, from which statistics,
outputs and later layers follow.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from sinkscope.extract.masks import Call, of_tokens_alone, shown
from sinkscope.extract.rows import ALTERNATIVES, with_sink
from sinkscope.extract.sinks import logits_to

Edit = Callable[[int, Call], Call]


class Edited:
    """`attend` of one forward pass, with each call edited first."""

    def __init__(self, attend: Callable[[Call], Tensor], edit: Edit) -> None:
        self._attend, self._edit, self._n_calls = attend, edit, 0

    def __call__(self, call: Call) -> Tensor:
        place, self._n_calls = self._n_calls, self._n_calls + 1
        return self._attend(self._edit(place, call))


def restricted(call: Call, allowed: Tensor) -> Call:
    """The call restricted to the allowed keys; keys without a token stay. allowed: bool,
    broadcastable to [batch, head, query, key], with four dimensions."""
    mask = call.mask
    if call.n_extra:
        allowed = F.pad(allowed, (0, call.n_extra), value=True)
    if mask is None:
        mask = allowed
    elif mask.dtype == torch.bool:
        mask = mask & allowed
    else:
        mask = mask.masked_fill(~allowed, torch.finfo(mask.dtype).min)
    return call._replace(mask=mask, own=None)  # the model's own attention would not know it


def visible_keys(call: Call) -> Tensor:
    """[batch, query, key] bool: the tokens that each query sees, the same in every head."""
    call = of_tokens_alone(call)
    batch, _, n_tokens, _ = call.query.shape
    visible = torch.ones(1, n_tokens, n_tokens, dtype=torch.bool, device=call.query.device)
    if call.is_causal:
        visible = visible.tril()
    if call.mask is not None:
        visible = visible & shown(call.mask)[:, 0]
    return visible.expand(batch, -1, -1)


def attention_rows(call: Call) -> Tensor:
    """[batch, head, query, key] float32: the whole attention of one layer, for short texts."""
    return normalised(call, logits_of(call))


def logits_of(call: Call) -> Tensor:
    """[batch, head, query, key] float32; very negative where a key is hidden."""
    keys = torch.arange(call.key.shape[2], device=call.key.device)
    return logits_to(call, keys.expand(len(call.query), -1))


def normalised(call: Call, logits: Tensor) -> Tensor:
    """The attention of a call if these are its logits; keys are counted as the call shows them."""
    if call.sink is not None:
        return with_sink(logits, call.sink.float())
    if call.attention == "softmax":
        return logits.softmax(-1)
    return ALTERNATIVES[call.attention](logits, visible_keys(call).sum(-1).float())
