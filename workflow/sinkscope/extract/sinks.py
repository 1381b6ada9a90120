"""Which keys of a layer are sinks, and how much attention they receive together. Only the attention
of the few keys that receive enough to be one is computed again, query by query.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sinkscope.extract.masks import HIDDEN, Call, Visible, shown
from sinkscope.extract.rows import ALTERNATIVES, capped
from sinkscope.extract.states import LayerState
from sinkscope.sink_rule import SinkRule

KEYS_AT_ONCE = 256  # whose attention is in memory; the rule by state may name all keys


def limits(rule: SinkRule, visible: Visible) -> Tensor:
    """[batch, key] the average attention of a sink; infinite where too few queries see the key."""
    limit = (rule.times * visible.uniform).clamp(min=rule.floor)
    return limit.masked_fill(visible.n_queries < rule.n_queries, torch.inf)


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
) -> dict[str, Tensor]:
    """The statistics of LayerStatistics that a rule gives, of one layer.

    received: [batch, head, key] float64, attention summed over the queries. normalizer: [batch,
    head, query], the logarithm by which the logits of a row are divided (log-sum-exp for softmax);
    not used for sigmoid rows, which have none. real: [batch, query] bool."""
    score = received / visible.n_queries[:, None]  # NaN where no query sees the key
    limit = limits(rule, visible)
    enough, enough_in_head = score.mean(1) > limit, score > limit[:, None]
    close, uses_state = by_state(rule, state, visible), rule.by == "state_cosine"
    in_mean = enough | close if uses_state else enough  # keys whose head mean is needed
    above = uniform_logits(call, normalizer, visible).masked_fill(~real[:, None], torch.inf)
    steady = torch.full_like(visible.n_queries, torch.nan)
    steady_in_head = torch.zeros_like(score, dtype=torch.float32)
    by_attention, is_sink = torch.zeros_like(enough), torch.zeros_like(enough)
    on_sinks = torch.zeros_like(real, dtype=torch.float64)  # [batch, query]
    for keys in first_of(in_mean | enough_in_head.any(1)).split(KEYS_AT_ONCE, 1):
        logits = logits_to(call, keys)  # [batch, head, query, key]
        some = first_of(in_mean.gather(1, keys))  # places among these keys
        of_mean = taken(logits, some)
        if call.attention == "sigmoid":
            rows = ALTERNATIVES["sigmoid"](of_mean, visible.n_keys)
        else:
            rows = (of_mean - normalizer[..., None]).exp()
        mean = rows.mean(1)
        # In place, since a sum of float32 is faster than one of bool.
        n_above = logits.gt_(above[..., None]).sum(2)
        n_queries = visible.n_queries.gather(1, keys)
        of_heads = keys[:, None].expand_as(n_above)
        steady_in_head.scatter_(2, of_heads, n_above / n_queries[:, None])
        keys, n_queries = keys.gather(1, some), n_queries.gather(1, some)
        mean *= real[..., None]
        part = (mean > visible.uniform_rows[..., None]).sum(1) / n_queries
        steady.scatter_(1, keys, part)
        of_part = enough.gather(1, keys) & (part >= rule.share)
        by_attention.scatter_(1, keys, of_part)
        of_part = close.gather(1, keys) if uses_state else of_part
        is_sink.scatter_(1, keys, of_part)
        on_sinks += (mean.double() * of_part[:, None]).sum(-1)
    counted = later(real) & ~is_sink
    n_real, n_counted = (rows.double().sum(1) for rows in (real, counted))
    return {
        "is_sink": is_sink,
        "by_attention": by_attention,
        "by_state": close,
        "is_head_sink": enough_in_head & (steady_in_head >= rule.share),
        "steady": torch.where(enough, steady, torch.nan),
        "sink_mass": (on_sinks.sum(1) / n_real).float(),
        "strict_sink_mass": ((on_sinks * counted).sum(1) / n_counted).float(),
    }


def later(real: Tensor) -> Tensor:
    """[batch, query] bool: the queries of each document except its first."""
    return real & (real.cumsum(1) > 1)


def first_of(wanted: Tensor) -> Tensor:
    """[batch, place] indices of the keys that each document wants, ascending, and of others where
    a document wants fewer than another. wanted: [batch, key] bool."""
    n_keys = int(wanted.sum(1).max())
    return wanted.int().argsort(dim=1, descending=True, stable=True)[:, :n_keys]


def taken(values: Tensor, keys: Tensor) -> Tensor:
    """[batch, ..., place]: of [batch or 1, ..., key] the values at keys [batch, place]."""
    values = values.expand(len(keys), *values.shape[1:])
    at = keys.view(len(keys), *(1,) * (values.ndim - 2), -1)
    return values.gather(-1, at.expand(*values.shape[:-1], -1))


def logits_to(call: Call, keys: Tensor) -> Tensor:
    """[batch, head, query, place] masked logits of some keys only. keys: [batch, place]."""
    batch, n_heads, n_tokens, d = call.query.shape
    n_kv = call.key.shape[1]
    query = (call.query.float() * call.scale).reshape(batch, n_kv, -1, d)
    key = taken(call.key.transpose(2, 3), keys).float()  # [batch, kv, d, place]
    logits = (query @ key).view(batch, n_heads, n_tokens, keys.shape[1])
    if call.softcap is not None:
        logits = capped(logits, call.softcap)
    if call.key_bias is not None:
        logits = logits + taken(call.key_bias, keys)[:, :, None]
    if call.is_causal:
        row = torch.arange(n_tokens, device=keys.device)[:, None]
        logits = logits.masked_fill(keys[:, None, None] > row, HIDDEN)
    if call.mask is not None:
        mask = taken(call.mask, keys)
        if mask.dtype != torch.bool:
            logits = logits + mask
        logits = logits.masked_fill(~shown(mask), HIDDEN)
    return logits


def uniform_logits(call: Call, normalizer: Tensor, visible: Visible) -> Tensor:
    """[batch, head, query] logits whose attention is visible.uniform_rows."""
    if call.attention == "sigmoid":
        logits = torch.special.logit(visible.uniform_rows.clamp(max=1.0))
        logits = logits + visible.n_keys.clamp(min=1).log()
        return logits[:, None].expand_as(normalizer)
    return normalizer + visible.log_uniform_rows[:, None]
