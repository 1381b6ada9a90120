"""What `attention_statistics` returns."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class HeadStatistics:
    """Statistics of A[b, h, i, j], the attention of query i to key j in head h of document b.

    Tensors are on the device of the queries, float32 unless a type is given. Of packed documents
    (`cu_seqlens`) the axes [batch, ..., token] are [..., token], the documents one after the other.

    received: [batch, head, key], sum over queries i of A[b, h, i, j], in units of attention: n for
        a key that gets all attention of n queries. Its mean over the queries that see the key is
        the sink score of Gu et al. 2024 (arXiv 2410.10781); H2O (Zhang et al. 2023, arXiv
        2306.14048) evicts keys by it.
    log_sum_exp: [batch, head, query], log of the row's softmax denominator, in nats, including a
    learned sink. -inf for a query that sees no key. max_logit: [batch, head, query], largest logit
    of a row, as softmax gets it: scaled, capped, with the mask added. `max_logit.amax((0, 2))` is
    what QK-clip compares with its threshold (Kimi K2, arXiv 2507.20534). -inf for a query that sees
    no key. max_key: [batch, head, query] int64, the key with that logit; the lowest of equal ones,
    -1 for a
        query that sees no key. Of packed documents, counted from the document's first token.
    entropy: [batch, head, query], of a row over its keys, in nats: log n if n visible keys get
    equal attention, 0 if one key gets all. With a learned sink, of the row divided by its sum.
    sink_attention: [batch, head, query], attention on the learned sink; None without `sink`.
    mean_max_key, mean_max_value: [batch, query], the key with the largest mean over heads of A[b,
    h, i, j] (int64, lowest of equal ones, -1 for a query that sees no key), and this mean.
    mean_map: [batch, cell, cell], mean over heads, and over equal blocks of queries and of keys;
        None without `map_cells`.
    backend: "triton" or "blocks".

    A row with a logit that is NaN or positive infinity has NaN in every float and -1 as its keys;
    `received` of its head and `mean_map` of its document are NaN.
    """

    received: Tensor
    log_sum_exp: Tensor
    max_logit: Tensor
    max_key: Tensor
    entropy: Tensor
    sink_attention: Tensor | None
    mean_max_key: Tensor
    mean_max_value: Tensor
    mean_map: Tensor | None
    backend: str


def completed(rows: HeadStatistics, is_broken: Tensor, sink: Tensor | None) -> HeadStatistics:
    """The statistics with what depends on rows that are broken. is_broken: [batch, head, query]
    bool. sink: [1, head, 1, 1], logits of learned sinks."""
    on_sink = None if sink is None else (sink[..., 0] - rows.log_sum_exp).exp()
    no_head, no_mean = is_broken.any(-1, keepdim=True), is_broken.any(1)
    no_key = (rows.max_key < 0).all(1) | no_mean
    of_map = rows.mean_map
    if of_map is not None:
        of_map = of_map.masked_fill(no_mean.any(-1)[:, None, None], torch.nan)
    return replace(
        rows,
        received=rows.received.masked_fill(no_head, torch.nan),
        log_sum_exp=rows.log_sum_exp.masked_fill(is_broken, torch.nan),
        max_logit=rows.max_logit.masked_fill(is_broken, torch.nan),
        max_key=rows.max_key.masked_fill(is_broken, -1),
        entropy=rows.entropy.masked_fill(is_broken, torch.nan),
        sink_attention=None if on_sink is None else on_sink.masked_fill(is_broken, torch.nan),
        mean_max_key=rows.mean_max_key.masked_fill(no_key, -1),
        mean_max_value=rows.mean_max_value.masked_fill(no_mean, torch.nan),
        mean_map=of_map,
    )


def packed(parts: list[HeadStatistics]) -> HeadStatistics:
    """The statistics of several documents, each of batch 1, concatenated along their tokens."""

    def joined(name: str) -> Any:
        values = [getattr(part, name) for part in parts]
        return None if values[0] is None else torch.cat([one[0] for one in values], -1)

    tensors = {
        one.name: joined(one.name) for one in fields(HeadStatistics) if one.name != "backend"
    }
    backends = sorted({part.backend for part in parts})
    return replace(parts[0], **tensors, backend=" and ".join(backends))
