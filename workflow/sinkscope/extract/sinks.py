"""Which keys of several layers are sinks, and how much attention they receive together. Only the
attention of these few keys is computed again, query by query.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from sinkscope.extract.masks import HIDDEN, Call, Visible, shown
from sinkscope.extract.rows import ALTERNATIVES, capped
from sinkscope.sink_rule import SinkRule

KEYS_AT_ONCE = 256  # whose attention is in memory; the rule by state may name all keys
LOGITS_AT_ONCE = 1 << 20  # of layers that are read together: more does not fit a CPU's cache


def limits(rule: SinkRule, visible: Visible) -> Tensor:
    """[batch, key] the average attention of a sink; infinite where too few queries see the key."""
    limit = (rule.times * visible.uniform).clamp(min=rule.floor)
    return limit.masked_fill(visible.n_queries < rule.n_queries, torch.inf)


def find_sinks(
    rule: SinkRule,
    received: Tensor,
    n_above: Tensor,
    n_above_in_mean: Tensor,
    visible: Visible,
    real: Tensor,
    cosine: Tensor | None,
    on_sinks: Callable[[Tensor], Tensor],
) -> dict[str, Tensor]:
    """The statistics of LayerStatistics that a rule gives, stacked.

    received: [layer, batch, head, key] float64, attention summed over the queries. n_above,
    n_above_in_mean: [layer, batch, head, key] and [layer, batch, key], queries that give the key
    more than uniform attention. real: [batch, query] bool. cosine: [layer, batch, key] of
    LayerState; None where it is not known. on_sinks: of sinks [layer, batch, key], the attention on
    them, [layer, batch, query] float64, mean over heads."""
    score = received / visible.n_queries[:, None]  # NaN where no query sees the key
    limit = limits(rule, visible)
    enough, enough_in_head = score.mean(2) > limit, score > limit[:, None]
    steady = n_above_in_mean / visible.n_queries
    steady_in_head = n_above / visible.n_queries[:, None]
    close = torch.zeros_like(enough)
    if cosine is not None:
        close = (cosine.abs() > rule.cosine) & (visible.n_queries > 0)
    by_attention = enough & (steady >= rule.share)
    is_sink = close if rule.by == "state_cosine" else by_attention
    of_queries = on_sinks(is_sink) * real
    counted = later(real) & ~is_sink
    return {
        "is_sink": is_sink,
        "by_attention": by_attention,
        "by_state": close,
        "is_head_sink": enough_in_head & (steady_in_head >= rule.share),
        "steady": steady.masked_fill(~enough, torch.nan),
        "sink_mass": (of_queries.sum(2) / real.double().sum(1)).float(),
        "strict_sink_mass": ((of_queries * counted).sum(2) / counted.double().sum(2)).float(),
    }


def attention_on(
    sinks: Tensor, calls: Sequence[Call], normalizer: Tensor, visible: Visible
) -> Tensor:
    """What on_sinks of find_sinks returns, computed again. calls: of layers that differ in queries
    and keys alone. normalizer: [layer, batch, head, query], the logarithm by which the logits of a
    row are divided (log-sum-exp for softmax); not used for sigmoid rows, which have none."""
    total = torch.zeros_like(normalizer[:, :, 0], dtype=torch.float64)
    for layers, keys in read_together(sinks, calls[0]):
        logits = logits_to(joined(calls[layers]), keys.flatten(0, 1)).unflatten(0, keys.shape[:2])
        if calls[0].attention == "sigmoid":
            rows = ALTERNATIVES["sigmoid"](logits, visible.n_keys)
        else:
            rows = (logits - normalizer[layers][..., None]).exp()
        is_wanted = sinks[layers].gather(2, keys)[:, :, None]
        total[layers] += (rows.mean(2).double() * is_wanted).sum(-1)
    return total


def later(real: Tensor) -> Tensor:
    """[batch, query] bool: the queries of each document except its first."""
    return real & (real.cumsum(1) > 1)


def read_together(wanted: Tensor, call: Call) -> Iterator[tuple[slice, Tensor]]:
    """Layers whose logits are in memory together, and their keys [layer, batch, place]: those that
    each document wants, and others where a document wants fewer than another. wanted: [layer,
    batch, key] bool. call: of any of the layers."""
    n_entries = call.query.shape[:3].numel()  # of each key
    start, most = 0, 0
    n_wanted = wanted.sum(2).amax(1).tolist()
    for layer, n in enumerate([*n_wanted, 0]):
        is_last = layer == len(n_wanted)
        if is_last or max(most, n) * (layer + 1 - start) * n_entries > LOGITS_AT_ONCE:
            if layer > start:
                layers = slice(start, layer)
                for keys in first_of(wanted[layers]).split(KEYS_AT_ONCE, 2):
                    yield layers, keys
            start, most = layer, 0
        most = max(most, n)


def first_of(wanted: Tensor) -> Tensor:
    """[..., batch, place] indices of the keys that each document wants, ascending, and of others
    where a document wants fewer than another. wanted: [..., batch, key] bool."""
    n_keys = int(wanted.sum(-1).max())
    return wanted.int().argsort(dim=-1, descending=True, stable=True)[..., :n_keys]


def joined(calls: Sequence[Call]) -> Call:
    """One call with the documents of all calls, which differ in queries and keys alone."""
    call, n_calls = calls[0], len(calls)
    if n_calls == 1:
        return call
    mask, bias = call.mask, call.key_bias
    return call._replace(
        query=torch.cat([one.query for one in calls]),
        key=torch.cat([one.key for one in calls]),
        mask=mask if mask is None or len(mask) == 1 else mask.repeat(n_calls, 1, 1, 1),
        key_bias=bias if bias is None or len(bias) == 1 else bias.repeat(n_calls, 1, 1),
    )


def taken(values: Tensor, keys: Tensor) -> Tensor:
    """[batch, ..., place]: of [batch or 1, ..., key] the values at keys [batch, place]."""
    values = values.expand(len(keys), *values.shape[1:])
    at = keys.view(len(keys), *(1,) * (values.ndim - 2), -1)
    return values.gather(-1, at.expand(*values.shape[:-1], -1))


def logits_to(call: Call, keys: Tensor) -> Tensor:
    """[batch, head, query, place] masked logits of some keys only. keys: [batch, place]."""
    batch, n_heads, n_tokens, d = call.query.shape
    n_kv = call.key.shape[1]
    # Rounded as the normalizers were: logits may be so large that it would show in the masses.
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
