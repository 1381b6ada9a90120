"""Reductions of rows of attention, tensor to tensor."""

from __future__ import annotations

import torch
from torch import Tensor

from sinkscope.keys import LOCAL_WIDTHS

VANISHING = 1e-30  # float32 keeps the logarithm of what is larger to its usual precision
LARGE = 100.0  # nats; rounding of a larger log-sum-exp would show in the entropy
N_NEAR = 2 * LOCAL_WIDTHS[-1] + 1  # keys within the widest local window of a query


def row_normalizer(logits: Tensor, p: Tensor) -> Tensor:
    """[batch, head, query] logarithm of what the exponentials of a row's logits were divided by.

    logits, p: [batch, head, query, key]. It follows from one entry, without a second exponential:
    log p = logit - normalizer. The first entry works unless it is vanishingly small; the largest
    always works, but must be searched.
    """
    if p[..., 0].min() < VANISHING:
        return logits.amax(-1) - p.amax(-1).log()
    return logits[..., 0] - p[..., 0].log()


def row_entropy(logits: Tensor, p: Tensor, lse: Tensor | None) -> Tensor:
    """[batch, head, query] entropy, in nats, of rows divided by their sum. Overwrites logits.

    logits, p: [batch, head, query, key]. lse: row_normalizer of rows that sum to 1, None for
    others.
    """
    # log p = logit - log-sum-exp, so the entropy of a row is log-sum-exp - sum p * logit.
    if lse is not None and lse.abs().max() < LARGE:
        # Rounding can make the entropy of a row that is all on one key negative.
        return (lse - logits.mul_(p).sum(-1)).clamp_(min=0.0)
    total = p.sum(-1).clamp(min=torch.finfo(p.dtype).tiny)  # a row that sees nothing
    return (total.log() - torch.xlogy(p, p).sum(-1) / total).clamp_(min=0.0)


def neighbours(
    n_tokens: int, offsets: tuple[int, ...], device: torch.device, *, is_causal: bool
) -> tuple[Tensor, Tensor]:
    """[query, offset] the keys next to every query, then those at `offsets`; and whether the query
    sees such a key."""
    width = LOCAL_WIDTHS[-1]
    query = torch.arange(n_tokens, device=device)[:, None]
    key = query + torch.tensor([*range(-width, width + 1), *offsets], device=device)
    last = query if is_causal else n_tokens - 1
    return key.clamp(0, n_tokens - 1), (key >= 0) & (key <= last)


def block_weights(n_tokens: int, n_cells: int, device: torch.device) -> Tensor:
    """[cell, token] weights that average the tokens of each of n_cells equal blocks.

    Cell c holds the tokens floor(c * n_tokens / n_cells) up to the next cell's first.
    """
    edge = torch.arange(n_cells + 1, device=device) * n_tokens // n_cells
    token = torch.arange(n_tokens, device=device)
    inside = (token >= edge[:-1, None]) & (token < edge[1:, None])
    return inside / (edge[1:, None] - edge[:-1, None])
