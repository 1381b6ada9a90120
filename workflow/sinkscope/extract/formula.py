"""Attention of single queries in float64, straight from the definition.

It shares no code with the reductions, which `audit` compares with it. All tensors keep the layout
[batch, head, row, ...], in which grouped heads are a view: over short texts a pass takes little
longer than the calls of torch themselves.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sinkscope.extract.masks import Call

UNSEEN = -1e30  # a bias below it hides a key: models add the lowest number of their type


def rows_of(call: Call, logits: Tensor, at: Tensor) -> Tensor:
    """[batch, head, row, key] attention, float64. logits: those of the queries `at` [batch,
    row]."""
    if call.attention == "sigmoid":
        n_keys = (logits > UNSEEN).sum(-1, keepdim=True)
        return torch.where(logits > UNSEEN, 1 / (1 + n_keys * (-logits).exp()), 0.0)
    largest = logits.amax(-1, keepdim=True)
    beside = virtual_logit(call, at)
    if beside is not None:
        largest = torch.maximum(largest, beside)
    weight = (logits - largest).exp()
    total = weight.sum(-1, keepdim=True)
    if beside is not None:
        total = total + (beside - largest).exp()
    return weight / total


def logits_of(call: Call, at: Tensor) -> Tensor:
    """[batch, head, row, key] float64, very negative or -inf where the query does not see the
    key."""
    batch, n_heads, n_tokens, d = call.query.shape
    query, key = of_queries(call.query, at).double(), exact(call.key)
    # Heads 0 to group - 1 share key head 0: [batch, key head, group x row, d].
    products = query.view(batch, key.shape[1], -1, d) @ key.mT
    logits = products.view(batch, n_heads, at.shape[1], -1) * call.scale
    if call.softcap is not None:
        logits = call.softcap * (logits / call.softcap).tanh()
    if call.key_bias is not None:
        logits = logits + call.key_bias.double()[:, :, None]
    if call.mask is not None:
        mask = of_queries(call.mask.expand(batch, -1, n_tokens, -1), at)
        if mask.dtype == torch.bool:
            logits = logits.masked_fill(~mask, -torch.inf)
        else:
            logits = logits + mask.double()
    if call.is_causal:
        number = torch.arange(n_tokens, device=at.device)
        logits = logits.masked_fill(number > at[:, None, :, None], -torch.inf)
    return logits


def virtual_logit(call: Call, at: Tensor) -> Tensor | None:
    """Logit of the key without a value, broadcastable to [batch, head, row, 1]; None without
    one."""
    if call.attention == "softmax_off_by_one":
        return torch.zeros(1, 1, 1, 1, dtype=torch.float64, device=at.device)
    if call.sink is None:
        return None
    batch, _, n_tokens, _ = call.query.shape
    return of_queries(call.sink.expand(batch, -1, n_tokens, 1), at).double()


def outputs(attention: Tensor, value: Tensor) -> Tensor:
    """[batch, head, row, d] float64. attention: [batch, head, row, key]; value: [batch,
    key_value_head, key, d]."""
    batch, n_heads, n_rows, n_keys = attention.shape
    grouped = attention.reshape(batch, value.shape[1], -1, n_keys)
    return (grouped @ exact(value)).view(batch, n_heads, n_rows, -1)


def of_queries(values: Tensor, at: Tensor) -> Tensor:
    """[batch, head, row, d] the queries `at` [batch, row] of values [batch, head, query, d]."""
    return values.gather(2, at[:, None, :, None].expand(-1, values.shape[1], -1, values.shape[3]))


def exact(rows: Tensor) -> Tensor:
    """In float64, laid out as products of single rows are fastest."""
    return rows.to(torch.float64, memory_format=torch.contiguous_format)
