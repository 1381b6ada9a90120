"""Which keys of a layer are sinks, and how much attention they receive together.

Sums over queries leave few keys that receive enough attention to be one. Only the attention of
these is computed again, query by query: their steadiness, and what sinks give one another.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sinkscope.extract.masks import HIDDEN, Call, Visible, shown
from sinkscope.extract.rows import ALTERNATIVES
from sinkscope.extract.states import LayerState
from sinkscope.sink_rule import MORE, SinkRule


@dataclass(frozen=True)
class Sinks:
    """The sinks of one layer; the fields as in LayerStatistics."""

    is_sink: Tensor
    by_attention: Tensor
    by_state: Tensor
    is_head_sink: Tensor
    steady: Tensor
    sink_mass: Tensor
    strict_sink_mass: Tensor


def candidates(rule: SinkRule, score: Tensor, visible: Visible) -> Tensor:
    """[batch, ..., key] bool: the keys that receive enough attention on average, from enough
    queries. score: [batch, ..., key], mean over the queries that see the key."""
    limit = limits(rule, visible)
    return score > limit.view(len(limit), *[1] * (score.ndim - 2), -1)


def limits(rule: SinkRule, visible: Visible) -> Tensor:
    """[batch, key] the average attention that a sink exceeds; infinite where too few queries see
    the key."""
    limit = (rule.times * visible.uniform).clamp(min=rule.floor)
    return limit.masked_fill(visible.n_queries < rule.n_queries, torch.inf)


def uniform_rows(visible: Visible) -> Tensor:
    """[batch, query] what a query gives a key at most if its row is uniform."""
    return MORE / visible.n_keys.clamp(min=1)


def by_state(rule: SinkRule, state: LayerState | None, visible: Visible) -> Tensor:
    """[batch, key] bool: the keys whose state is close to that of key 0."""
    if state is None:
        return torch.zeros_like(visible.n_queries, dtype=torch.bool)
    return (state.cosine.abs() > rule.cosine) & (visible.n_queries > 0)


def find_sinks(
    rule: SinkRule,
    call: Call,
    received: Tensor,
    normalizer: Tensor,
    visible: Visible,
    real: Tensor,
    state: LayerState | None,
) -> Sinks:
    """received: [batch, head, key] float64, attention summed over the queries. normalizer: as in
    attention_to. real: [batch, query] bool."""
    score = received / visible.n_queries[:, None]  # NaN where no query sees the key
    enough, enough_in_head = (candidates(rule, one, visible) for one in (score.mean(1), score))
    close = by_state(rule, state, visible)
    judged = enough | enough_in_head.any(1)
    keys = (judged | close if rule.by == "state_cosine" else judged).any(0).nonzero()[:, 0]
    p = attention_to(call, keys, normalizer, visible) * real[:, None, :, None]
    uniform = uniform_rows(visible)[..., None]  # [batch, query, 1]
    mean = p.mean(1)  # [batch, query, judged key]
    n_queries = visible.n_queries[:, keys]
    in_head = (p > uniform[:, None]).sum(2) / n_queries[:, None]
    steady = torch.full_like(visible.n_queries, torch.nan)
    steady[:, keys] = (mean > uniform).sum(1) / n_queries
    steady = torch.where(enough, steady, torch.nan)
    is_head_sink = torch.zeros_like(enough_in_head)
    is_head_sink[..., keys] = enough_in_head[..., keys] & (in_head >= rule.share)
    by_attention = enough & (steady >= rule.share)
    is_sink = close if rule.by == "state_cosine" else by_attention
    on_sinks = (mean.double() * is_sink[:, None, keys]).sum(-1)  # [batch, query]
    counted = later(real) & ~is_sink
    n_real, n_counted = (rows.double().sum(1) for rows in (real, counted))
    return Sinks(
        is_sink=is_sink,
        by_attention=by_attention,
        by_state=close,
        is_head_sink=is_head_sink,
        steady=steady,
        sink_mass=(on_sinks.sum(1) / n_real).float(),
        strict_sink_mass=((on_sinks * counted).sum(1) / n_counted).float(),
    )


def later(real: Tensor) -> Tensor:
    """[batch, query] bool: the queries of each document except its first."""
    return real & (real.cumsum(1) > 1)


def attention_to(call: Call, keys: Tensor, normalizer: Tensor, visible: Visible) -> Tensor:
    """[batch, head, query, key] attention to some keys only, 0 where they are hidden.

    keys: [key] indices. normalizer: [batch, head, query], the logarithm by which the logits of a
    row are divided (log-sum-exp for softmax); not used for sigmoid rows, which have none.
    """
    batch, n_heads, n_tokens, d = call.query.shape
    n_kv = call.key.shape[1]
    query = (call.query.float() * call.scale).reshape(batch, n_kv, -1, d)
    key = call.key[:, :, keys].float().transpose(2, 3)  # [batch, kv, d, key]
    logits = (query @ key).view(batch, n_heads, n_tokens, len(keys))
    if call.key_bias is not None:
        logits = logits + call.key_bias[:, :, None, keys]
    if call.is_causal:
        row = torch.arange(n_tokens, device=keys.device)[:, None]
        logits = logits.masked_fill(keys > row, HIDDEN)
    if call.mask is not None:
        mask = call.mask[..., keys]
        if mask.dtype != torch.bool:
            logits = logits + mask
        logits = logits.masked_fill(~shown(mask), HIDDEN)
    if call.attention == "sigmoid":
        return ALTERNATIVES["sigmoid"](logits, visible.n_keys)
    return (logits - normalizer[..., None]).exp()
