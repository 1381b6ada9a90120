"""Attention of single queries in float64, straight from the definition.

It shares no code with what reduces the attention: `audit` holds the one against the other.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sinkscope.extract.masks import Call

UNSEEN = -1e30  # a bias below it hides a key: models add the lowest number of their type


def rows_of(call: Call, logits: Tensor, at: Tensor) -> Tensor:
    """[batch, row, head, key] attention, float64. logits: those of the queries `at` [batch,
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
    """[batch, row, head, key] float64, very negative or -inf where the query does not see the
    key."""
    batch, _, n_tokens, _ = call.query.shape
    document = torch.arange(batch, device=at.device)[:, None]
    query = call.query.transpose(1, 2)[document, at].double()  # [batch, row, head, d]
    # Heads 0 to group - 1 share key head 0: [batch, key head, row x group, d].
    grouped = query.unflatten(2, (call.key.shape[1], -1)).transpose(1, 2).flatten(2, 3)
    products = grouped @ exact(call.key).mT
    logits = products.unflatten(2, (at.shape[1], -1)).transpose(1, 2).flatten(2, 3) * call.scale
    if call.softcap is not None:
        logits = call.softcap * (logits / call.softcap).tanh()
    if call.key_bias is not None:
        logits = logits + call.key_bias.double()[:, None]
    if call.mask is not None:
        mask = call.mask.expand(batch, -1, n_tokens, -1).transpose(1, 2)[document, at]
        if mask.dtype == torch.bool:
            logits = logits.masked_fill(~mask, -torch.inf)
        else:
            logits = logits + mask.double()
    if call.is_causal:
        key = torch.arange(n_tokens, device=at.device)
        logits = logits.masked_fill(key > at[:, :, None, None], -torch.inf)
    return logits


def virtual_logit(call: Call, at: Tensor) -> Tensor | None:
    """Logit of the key without a value, broadcastable to [batch, row, head, 1]; None without
    one."""
    if call.attention == "softmax_off_by_one":
        return torch.zeros(1, 1, 1, 1, dtype=torch.float64, device=at.device)
    if call.sink is None:
        return None
    batch, _, n_tokens, _ = call.query.shape
    document = torch.arange(batch, device=at.device)[:, None]
    sink = call.sink.expand(batch, -1, n_tokens, 1).transpose(1, 2)
    return sink[document, at].double()


def outputs(attention: Tensor, value: Tensor) -> Tensor:
    """[batch, row, head, d] float64. attention: [batch, row, head, key]; value: [batch,
    key_value_head, key, d]."""
    n_rows = attention.shape[1]
    grouped = attention.unflatten(2, (value.shape[1], -1)).transpose(1, 2).flatten(2, 3)
    return (grouped @ exact(value)).unflatten(2, (n_rows, -1)).transpose(1, 2).flatten(2, 3)


def exact(rows: Tensor) -> Tensor:
    """In float64, laid out as products of single rows are fastest."""
    return rows.to(torch.float64, memory_format=torch.contiguous_format)
