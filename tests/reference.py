"""Every reduction once more: float64, from full attention matrices, by the definitions.

Nothing here comes from the package. p[layer, head, query, key] is the attention; visible[query,
key] says which keys a query can see. One document at a time, without padding.
"""

import contextlib
import itertools
import math
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F


@dataclass
class Captured:
    """What the layers of one forward pass attended to, one entry a layer.

    attention: float64 [batch, head, query, key]. visible: bool [batch, query, key].
    query, key, value: [batch, head, token, d], the groups of key heads repeated.
    """

    attention: list = field(default_factory=list)
    visible: list = field(default_factory=list)
    query: list = field(default_factory=list)
    key: list = field(default_factory=list)
    value: list = field(default_factory=list)

    def document(self, i, tokens=slice(None)):
        """(p [layer, head, query, key], visible [query, key]) of one document of the batch."""
        p = np.stack([layer[i][:, tokens, tokens] for layer in self.attention])
        return p, self.visible[0][i][tokens, tokens]


@contextlib.contextmanager
def capture():
    """Write down the attention of every layer within the block; the model runs as ever."""
    captured, original = Captured(), F.scaled_dot_product_attention

    def watching(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None,
                 enable_gqa=False):  # fmt: skip
        heads = query.shape[1]
        repeated = key.repeat_interleave(heads // key.shape[1], dim=1)
        q, k = query.double().numpy(), repeated.double().numpy()
        logits = q @ k.swapaxes(-1, -2) * (scale or 1 / math.sqrt(q.shape[-1]))
        seen = np.ones(logits.shape, dtype=bool)
        if is_causal:
            seen &= np.tril(np.ones(logits.shape[-2:], dtype=bool))
        if attn_mask is not None and attn_mask.dtype == torch.bool:
            seen &= attn_mask.numpy()
        elif attn_mask is not None:
            least = torch.finfo(attn_mask.dtype).min
            seen &= ((attn_mask != least) & (attn_mask != -math.inf)).numpy()
            logits = logits + attn_mask.double().numpy()
        captured.attention.append(softmax(logits, seen))
        captured.visible.append(seen[:, 0])
        captured.query.append(q)
        captured.key.append(k)
        captured.value.append(value.repeat_interleave(heads // value.shape[1], 1).double().numpy())
        return original(query, key, value, attn_mask, dropout_p, is_causal, scale=scale,
                        enable_gqa=enable_gqa)  # fmt: skip

    F.scaled_dot_product_attention = watching
    try:
        yield captured
    finally:
        F.scaled_dot_product_attention = original


def softmax(logits, seen):
    """Over the last axis; hidden keys get 0, and rows that see nothing are all 0."""
    largest = np.max(logits, axis=-1, where=seen, initial=-np.inf, keepdims=True)
    weight = np.where(seen, np.exp(np.where(seen, logits - largest, 0.0)), 0.0)
    return weight / np.maximum(weight.sum(-1, keepdims=True), 1e-300)


def max_key(p):
    """[layer, query]; argmax takes the lowest of equal keys."""
    return p.mean(1).argmax(-1)


def max_value(p):
    return p.mean(1).max(-1)


def second_value(p):
    """[layer, query]; 0 where there is one key only."""
    ordered = np.sort(p.mean(1), axis=-1)
    return ordered[..., -2] if p.shape[-1] > 1 else np.zeros(p.shape[::2])


def margin(p):
    """[layer, query] how far the best key is ahead of the second."""
    ordered = np.sort(p.mean(1), axis=-1)
    return ordered[..., -1] - ordered[..., -2] if p.shape[-1] > 1 else np.ones(p.shape[::2])


def sink_score(p, visible, n_queries=None):
    """[layer, head, key] mean over the (first n) queries that can see the key, else NaN."""
    score = np.full((*p.shape[:2], p.shape[3]), np.nan)
    for key in range(p.shape[3]):
        queries = [i for i in range(p.shape[2])[:n_queries] if visible[i, key]]
        if queries:
            score[:, :, key] = p[:, :, queries, key].mean(-1)
    return score


def mass(p, keys):
    """[layer]"""
    return p.mean(1)[:, :, keys].sum(-1).mean(-1)


def strict_mass(p, keys):
    """[layer] over the queries that are neither in the set nor the first."""
    queries = [i for i in range(1, p.shape[2]) if i not in keys]
    if not queries:
        return np.full(len(p), np.nan)
    return p.mean(1)[:, queries][:, :, keys].sum(-1).mean(-1)


def entropy(p, visible):
    """[layer, head] of the rows i >= 1, each over the log of the keys it can see."""
    terms = np.where(p > 0, -p * np.log(np.where(p > 0, p, 1.0)), 0.0).sum(-1)
    rows = [terms[:, :, i] / math.log(visible[i].sum()) for i in range(1, p.shape[2])]
    return np.mean(rows, axis=0)


def over_half(p):
    """[layer, head] of the queries i >= 1."""
    return (p[:, :, 1:, 0] > 0.5).mean(-1)


def local(p, without=()):
    """[layer, head, width - 1] attention to keys at most 1..5 away, all but `without`."""
    kept = [j not in without for j in range(p.shape[3])]
    distance = np.abs(np.arange(p.shape[2])[:, None] - np.arange(p.shape[3]))
    near = [np.sum(p, (2, 3), where=(distance <= width) & kept) for width in range(1, 6)]
    return np.stack(near, axis=-1) / p.shape[2]


def norm_mass(p, value, keys):
    """[layer] p weighted by the norms of value [layer, head, key, d], each row made to sum to 1."""
    weighted = p * np.linalg.norm(value, axis=-1)[:, :, None, :]
    weighted /= weighted.sum(-1, keepdims=True)
    return weighted.mean(1)[:, :, keys].sum(-1).mean(-1)


def query_local(p, without=()):
    """[layer, query] head mean of the attention to keys at most 5 away, all but `without`."""
    kept = [j not in without for j in range(p.shape[3])]
    distance = np.abs(np.arange(p.shape[2])[:, None] - np.arange(p.shape[3]))
    return np.sum(p.mean(1), -1, where=(distance <= 5) & kept)


def uniform(visible):
    """[key] mean of 1 / (number of keys that a query sees) over the queries that see the key."""
    n_keys, parts = visible.sum(1), np.full(visible.shape[1], np.nan)
    for key in range(visible.shape[1]):
        queries = np.flatnonzero(visible[:, key])
        if len(queries):
            parts[key] = np.mean([1 / n_keys[i] for i in queries])
    return parts


def is_steady_sink(a, visible, rule):
    """By the attention a [query, key]: [key] bool, and [key] the fraction of the queries seeing a
    key that give it more than uniform attention, NaN where the mean is too low."""
    n_keys, even = visible.sum(1), uniform(visible)
    found, steady = np.zeros(a.shape[1], bool), np.full(a.shape[1], np.nan)
    for key in range(a.shape[1]):
        queries = np.flatnonzero(visible[:, key])
        if len(queries) < rule.n_queries:
            continue
        received = np.mean([a[i, key] for i in queries])
        if received > rule.floor and received > rule.times * even[key]:
            steady[key] = np.mean([a[i, key] > 1.001 / n_keys[i] for i in queries])
            found[key] = steady[key] >= rule.share
    return found, steady


def sinks(p, visible, rule, cosine=None):
    """The sinks of one document, under the names that the package gives them. p: [layer, head,
    query, key]. cosine: [layer, key] of the states to that of key 0."""
    layers, heads, n, _ = p.shape
    mean = p.mean(1)
    of_mean = [is_steady_sink(mean[at], visible, rule) for at in range(layers)]
    by_state = np.zeros((layers, n), bool) if cosine is None else np.abs(cosine) > rule.cosine
    by_attention = np.array([found for found, _ in of_mean])
    is_sink = by_state if rule.by == "state_cosine" else by_attention
    keys = [np.flatnonzero(row).tolist() for row in is_sink]
    return {
        "is_sink": is_sink,
        "by_attention": by_attention,
        "by_state": by_state,
        "steady": np.array([steady for _, steady in of_mean]),
        "is_head_sink": np.array(
            [[is_steady_sink(p[at, h], visible, rule)[0] for h in range(heads)]
             for at in range(layers)]
        ),
        "sink_mass": np.array([mass(p[at : at + 1], keys[at])[0] for at in range(layers)]),
        "strict_sink_mass": np.array(
            [strict_mass(p[at : at + 1], keys[at])[0] for at in range(layers)]
        ),
        "local_no_sinks": np.stack([local(p[at : at + 1], keys[at])[0] for at in range(layers)]),
    }  # fmt: skip


def block_map(matrix, n_cells):
    """[cell, cell] mean over blocks; cell c begins at token floor(c * n_tokens / n_cells)."""
    n_tokens = len(matrix)
    edges = [c * n_tokens // n_cells for c in range(n_cells + 1)]
    blocks = [slice(a, b) for a, b in itertools.pairwise(edges)]
    return np.array([[matrix[rows, columns].mean() for columns in blocks] for rows in blocks])


def coarse_map(matrix, n_most):
    """[cell, cell] mean over queries of the sum over keys; the first cell is the first token, the
    others blocks of as many tokens, the fewest with which at most n_most cells suffice."""
    n_tokens = len(matrix)
    size = next(size for size in range(1, n_tokens + 1) if 1 + (n_tokens - 1) / size <= n_most)
    starts = [0, *range(1, n_tokens, size)]
    blocks = [slice(a, b) for a, b in itertools.pairwise([*starts, n_tokens])]
    sums = [[matrix[rows, columns].sum(1).mean() for columns in blocks] for rows in blocks]
    return np.array(sums)


def statistics(p, visible, sets, sinks, window):
    """All of one document, under the names that the package gives them."""
    return {
        "max_value": max_value(p),
        "second_value": second_value(p),
        "sink_score": sink_score(p, visible),
        "window_score": sink_score(p, visible, window),
        "mass": np.stack([mass(p, keys) for keys in sets], axis=-1),
        "strict_mass": np.stack([strict_mass(p, keys) for keys in sets], axis=-1),
        "entropy": entropy(p, visible),
        "row_sum": p.sum(-1).mean(-1),
        "over_half": over_half(p),
        "local": local(p),
        "local_no_sinks": local(p, sinks),
        "map": p.mean(1),
    }
