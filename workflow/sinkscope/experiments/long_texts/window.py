"""Attention to the first keys and the most recent ones, in blocks of queries.

A rolling cache (Xiao et al. 2023) numbers its keys by their positions in the cache. Positions enter
attention only as the distance of query and key (rotary embeddings, ALiBi), and the recent keys are
as far from the query in the cache as in the text. Only the sinks differ: their distance is at most
the length of the cache. It is set here query by query, so that one pass over the whole text
computes exactly the same as a cache token by token.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sinkscope.extract.masks import HIDDEN, Call

BLOCK = 256  # queries at once

# Turns vectors [..., query, d] with a rotary embedding by [query] positions.
Turn = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Window:
    """size: keys per query, itself included; None for all. n_sinks: number of them that are the
    first of the text. is_rolling: whether positions count within the cache."""

    size: int | None = None
    n_sinks: int = 0
    is_rolling: bool = False

    @property
    def name(self) -> str:
        if self.size is None:
            return "dense"
        return "rolling" if self.is_rolling else "sinks+window" if self.n_sinks else "window"

    def kept(self, queries: Tensor, keys: Tensor) -> Tensor:
        """[query, key] bool. queries, keys: positions."""
        distance = queries[:, None] - keys
        if self.size is None:
            return distance >= 0
        recent = distance < self.size - self.n_sinks
        return (distance >= 0) & (recent | (keys < self.n_sinks))

    def share_of_pairs(self, n_tokens: int) -> float:
        """Query-key pairs kept over those of dense attention."""
        n_keys = torch.arange(1, n_tokens + 1, dtype=torch.float64)
        return float(n_keys.clamp(max=self.size or n_tokens).sum() / n_keys.sum())


def is_plain(call: Call) -> bool:
    """Whether the call is causal softmax attention without other masks, as `attend` computes it."""
    is_softmax = call.attention == "softmax" and call.softcap is None and call.sink is None
    return is_softmax and call.is_causal and call.mask is None


def attend(call: Call, window: Window, turn: Turn | None = None) -> Tensor:
    """The layer's output [batch, head, token, d]. call: as is_plain. turn: of models with rotary
    embeddings, for a rolling window."""
    batch, n_heads, n_tokens, _ = call.query.shape
    n_kv = call.key.shape[1]
    size, n_sinks = window.size or n_tokens, window.n_sinks
    value = call.value.float()
    output = value.new_empty(batch, n_tokens, n_heads, value.shape[-1]).transpose(1, 2)
    place = torch.arange(n_tokens, device=call.query.device)
    for start in range(0, n_tokens, BLOCK):
        queries = place[start : start + BLOCK]
        stop = start + len(queries)
        first = max(n_sinks, start - size + n_sinks + 1)
        keys = torch.cat([place[: min(n_sinks, stop)], place[first:stop]])
        query = call.query[:, :, queries].float() * call.scale
        of_text = torch.zeros_like(queries)
        logits = dot(query, call.key[:, :, keys])
        if call.key_bias is not None:
            logits = logits + call.key_bias[:, :, None, keys]
        # How much nearer the sinks are in the cache than in the text.
        nearer = (queries - size + 1).clamp(min=0) if window.is_rolling else of_text
        if n_sinks and nearer.any():
            sinks = keys[: min(n_sinks, stop)]
            query = query if turn is None else turn(query, -nearer)
            near = dot(query, call.key[:, :, sinks])
            if call.key_bias is not None:  # a straight line along the keys
                near = near + call.key_bias[:, :, sinks + nearer[:, None]]
            logits[..., : len(sinks)] = near
        logits.masked_fill_(~window.kept(queries, keys), HIDDEN)
        rows = logits.softmax(-1).view(batch, n_kv, -1, len(keys))
        output[:, :, start:stop] = (rows @ value[:, :, keys]).view(batch, n_heads, stop - start, -1)
    return output.to(call.query.dtype)


def dot(query: Tensor, key: Tensor) -> Tensor:
    """[batch, head, query, key] products of grouped heads. query: [batch, head, query, d]; key:
    [batch, key_value_head, key, d]."""
    batch, n_heads, n_queries, d = query.shape
    rows = query.reshape(batch, key.shape[1], -1, d)
    return (rows @ key.float().transpose(2, 3)).view(batch, n_heads, n_queries, -1)


def has_alibi(network: Any) -> bool:
    return bool(getattr(network.config, "alibi", False))


def turn_of(network: Any) -> Turn | None:
    """Turns vectors by the network's rotary embedding; None if it uses none, or one whose angles
    depend on the length of the text or on the layer."""
    rotaries = {
        id(one): one for name, one in network.named_modules() if name.endswith("rotary_emb")
    }
    rotary: Any = next(iter(rotaries.values()), None)
    apply = getattr(sys.modules[type(rotary).__module__], "apply_rotary_pos_emb", None)
    kind = getattr(rotary, "rope_type", None)
    is_fixed = kind in ("default", "linear", "llama3", "yarn")
    if len(rotaries) != 1 or apply is None or not is_fixed or has_alibi(network):
        return None

    def turn(vectors: Tensor, positions: Tensor) -> Tensor:
        cos, sin = rotary(vectors, positions[None])
        turned: Tensor = apply(vectors, vectors, cos, sin)[0]
        return turned / rotary.attention_scaling  # which the vectors have already

    return turn
