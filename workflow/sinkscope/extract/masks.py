"""What a query may see: causal and padding masks, either boolean or added to the logits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from sinkscope.sink_rule import MORE

# Added to the logits of hidden keys. Finite, so that its product with a probability of 0
# is 0 and a row that sees nothing stays free of NaN; half of the smallest number, so that
# adding a logit cannot overflow.
HIDDEN = torch.finfo(torch.float32).min / 2


class Own(Protocol):
    def __call__(self, key_head: int | None = None) -> Tensor: ...


class Call(NamedTuple):
    """One call of scaled dot-product attention by the model. A NamedTuple, because a dataclass per
    layer would take longer than the launches of some layers.

    query: [batch, head, token, d]; key, value: [batch, key_value_head, token, d]; mask: None, or
    broadcastable to [batch, head, token, token], boolean (True = visible) or a number added to the
    logits; scale: factor on the dot products; attention: how logits become rows, "softmax" or one
    of rows.ALTERNATIVES; key_bias: None, or a number for each key, broadcastable to [batch, head,
    token], added to the logits (ALiBi). softcap: None, or c: logits become c * tanh(logits / c),
    before bias and mask. sink: None, or the logit of a virtual key without value (a learned sink),
    broadcastable to [batch, head, query, 1], which takes its part of a softmax row. n_extra: number
    of keys after those of the tokens, without tokens (DeepSeek-V4's compressed blocks).

    has_keys: False if the mask has the whole logits, and query and key hold zeros (`own_code`).

    layer: the layer that makes the call; None where only the order of the calls tells it. own:
    the layer's output [batch, head, token, d] by the model's own attention function; own(i): of the
    query heads that share key head i.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    mask: Tensor | None
    is_causal: bool
    scale: float
    attention: str = "softmax"
    key_bias: Tensor | None = None
    softcap: float | None = None
    sink: Tensor | None = None
    n_extra: int = 0
    has_keys: bool = True
    layer: int | None = None
    own: Own | None = None


def of_tokens_alone(call: Call) -> Call:
    """The call without its extra keys."""
    if not call.n_extra:
        return call
    n_tokens, mask = call.query.shape[2], call.mask
    key, value = (rows[:, :, :n_tokens] for rows in (call.key, call.value))
    return call._replace(key=key, value=value, mask=mask if mask is None else mask[..., :n_tokens])


@dataclass(frozen=True)
class Visible:
    """n_keys: [batch, query] number of keys that a query sees. n_queries, n_window_queries: [batch,
    key] number of real queries (of the document, of the window) that see a key. uniform: [batch,
    key] mean of 1 / n_keys over the real queries that see the key, its attention under uniform
    attention; NaN without such queries."""

    n_keys: Tensor
    n_queries: Tensor
    n_window_queries: Tensor
    uniform: Tensor

    @cached_property
    def uniform_rows(self) -> Tensor:
        """[batch, query] largest attention to a key in a uniform row."""
        return MORE / self.n_keys.clamp(min=1)


def rows_of(mask: Tensor, start: int, stop: int) -> Tensor:
    """The mask's rows of the queries start..stop; a mask may be the same for all queries."""
    return mask[:, :, start:stop] if mask.shape[2] > 1 else mask


def heads_of(key_head: int | None, query: Tensor, key: Tensor) -> slice:
    """The query heads that share a key head; None: all heads."""
    if key_head is None:
        return slice(None)
    group = query.shape[1] // key.shape[1]
    return slice(key_head * group, (key_head + 1) * group)


def of_heads(rows: Tensor, heads: slice) -> Tensor:
    """rows: [batch, head, ...], or with one head for all."""
    return rows[:, heads] if rows.shape[1] > 1 else rows


def of_key_head(call: Call, key_head: int) -> Call:
    """The call of the query heads that share a key head."""
    heads, one = heads_of(key_head, call.query, call.key), slice(key_head, key_head + 1)
    mask, sink = (
        None if rows is None else of_heads(rows, heads) for rows in (call.mask, call.sink)
    )
    return call._replace(
        query=call.query[:, heads],
        key=call.key[:, one],
        value=call.value[:, one],
        mask=mask,
        sink=sink,
    )


def shown(mask: Tensor) -> Tensor:
    """True where a boolean or an additive mask leaves a key visible."""
    return mask if mask.dtype == torch.bool else mask > torch.finfo(mask.dtype).min / 2


def only_hides(mask: Tensor) -> bool:
    """Whether a mask adds nothing to the logits of visible keys: no position bias."""
    return mask.dtype == torch.bool or not bool(mask.masked_fill(~shown(mask), 0.0).any())


def hide(
    logits: Tensor,
    call: Call,
    start: int,
    future: Tensor,
    padding: Sequence[tuple[int, slice]] | None = None,
) -> None:
    """Mask one block's logits [batch, head, query, key] in place; queries count from start. future:
    [row, row], HIDDEN above the diagonal, else 0. padding: document and keys of each run of keys,
    if the mask hides these from all queries, and no others."""
    n_rows, n_keys = logits.shape[2:]
    if call.key_bias is not None:
        logits.add_(call.key_bias[:, :, None, :n_keys])
    if call.is_causal:
        # Only the last n_rows keys of a causal block can lie in the future.
        logits[..., start:].add_(future[:n_rows, : n_keys - start])
    if padding is not None:
        for document, keys in padding:
            logits[document, :, :, keys] = HIDDEN
    elif call.mask is not None:
        mask = rows_of(call.mask, start, start + n_rows)[..., :n_keys]
        if mask.dtype != torch.bool:
            logits.add_(mask)
        logits.masked_fill_(~shown(mask), HIDDEN)


def count_visible(call: Call, real: Tensor, window: Tensor) -> Visible:
    """Count visible keys and queries. real, window: [batch, token] bool, the queries that count.

    A mask hides the same keys from every head (ALiBi differs by head, but hides nothing).
    """
    batch, n_tokens = real.shape
    if call.mask is None:
        return count_unmasked(real, window, is_causal=call.is_causal)
    weight = torch.stack([real, window, real], 1).float()  # [batch, 3, query]
    position = torch.arange(n_tokens, device=real.device)
    n_keys = torch.zeros(batch, n_tokens, device=real.device)
    sums = torch.zeros(batch, 3, n_tokens, device=real.device)
    for start in range(0, n_tokens, 256):
        stop = min(start + 256, n_tokens)
        visible = torch.ones(1, stop - start, n_tokens, dtype=torch.bool, device=real.device)
        if call.is_causal:
            visible = visible & (position <= position[start:stop, None])
        visible = visible & shown(rows_of(call.mask, start, stop)[:, 0])
        sees = visible.expand(batch, -1, -1).float()  # [batch, query, key]
        n_keys[:, start:stop] = of_block = sees.sum(-1)
        weight[:, 2, start:stop] /= of_block.clamp(min=1)
        sums += weight[:, :, start:stop] @ sees
    n_queries, n_window_queries, uniform = sums.unbind(1)
    return Visible(n_keys, n_queries, n_window_queries, uniform / n_queries)


def count_unmasked(real: Tensor, window: Tensor, *, is_causal: bool) -> Visible:
    """The same in closed form, without a mask."""
    n_tokens = real.shape[1]
    counts = torch.stack([real, window]).float()  # [2, batch, query]
    if is_causal:
        n_keys = torch.arange(1.0, n_tokens + 1, device=real.device).expand(len(real), -1)
        sums = torch.cat([counts, (counts[0] / n_keys)[None]]).flip(-1).cumsum(-1).flip(-1)
        n_queries, n_window_queries, uniform = sums.unbind(0)
        return Visible(n_keys, n_queries, n_window_queries, uniform / n_queries)
    n_keys = torch.full_like(counts[0], n_tokens)
    n_queries, n_window_queries = counts.sum(-1, keepdim=True).expand_as(counts).unbind(0)
    return Visible(n_keys, n_queries, n_window_queries, 1 / n_keys)
