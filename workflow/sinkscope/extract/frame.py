"""Values that the reductions of all layers of one forward pass share; reductions of rows."""

from __future__ import annotations

import torch
from torch import Tensor

from sinkscope.extract.coarse import edges
from sinkscope.extract.masks import Visible, only_hides, shown
from sinkscope.extract.plan import Plan
from sinkscope.keys import LOCAL_WIDTHS


class Frame:
    """Computed once per pass from the plan and the visible keys: on short documents these many
    small steps take longer than a layer.

    first: [batch] position of each document's key 0. window: [batch, query] 1 for the first
    queries, the last of which is before window_end. near: [query, offset] keys beside a query;
    has_near: whether the query sees them. beside: [1, query, near offset] 1 for keys that are seen;
    beside_no_sinks: [batch, query, near offset] the same without the plan's sinks, None where a
    rule finds them. above: [batch, query] what a query must give a key to count for its steadiness,
    infinite at padding. within: [near offset, width]. strict: [batch,
    query, key_set] 1 where a query counts for a strict mass; n_strict: number of such queries.
    entropy_weight: [batch, query] one over the maximum entropy of the row, for the n_entropy rows
    that have an entropy. later: [batch, query] all queries except the first. pool: [cell, token]
    weights of a map's cells, None if the map is exact. coarse: weights of the queries and
    keys of coarse maps, None where none are wanted. n_real, n_entropy, n_later: [batch, 1].

    padding: runs of padding, as document and tokens, on a processor, where few runs are written
    faster than all rows are multiplied; None on a GPU. hides_padding: whether the mask hides these
    keys from all queries, and no others, and does nothing else.
    """

    def __init__(
        self, plan: Plan, visible: Visible, *, is_causal: bool, mask: Tensor | None = None
    ) -> None:
        self.plan, self.visible, self.is_causal = plan, visible, is_causal
        real, device = plan.real, plan.real.device
        n_tokens = real.shape[1]
        self.padded = not bool(real.all())
        self.first = real.int().argmax(1)
        self.padding = None if real.is_cuda else runs_of_padding(real)
        self.starts_at_0 = not real.is_cuda and bool(real[:, 0].all())
        self.hides_padding = (
            self.padding is not None
            and mask is not None
            and bool((shown(mask) == real[:, None, None]).all())
            and only_hides(mask)
        )
        self.window = plan.window_rows().float()
        self.window_end = 1 + int(self.window.any(0).nonzero().max())
        self.key_sets = plan.key_sets.float()
        self.near, self.has_near = neighbours(n_tokens, plan.offsets, device, is_causal=is_causal)
        self.beside = self.has_near[None, :, :N_NEAR].float()
        self.beside_no_sinks = None if plan.sinks is None else self.without(plan.sinks)
        self.above = visible.uniform_rows.masked_fill(~real, torch.inf)
        distance = (torch.arange(N_NEAR, device=device) - LOCAL_WIDTHS[-1]).abs()
        self.within = (distance[:, None] <= torch.tensor(LOCAL_WIDTHS, device=device)).double()
        self.later = real & (plan.rank() > 0)
        self.strict = (self.later[..., None] & ~plan.key_sets).double()
        self.n_strict = self.strict.sum(1)
        has_entropy = self.later & (visible.n_keys > 1)  # a row that sees one key has no entropy
        self.entropy_weight = (has_entropy / visible.n_keys.clamp(min=2).log()).double()
        self.n_real, self.n_later, self.n_entropy = (
            rows.double().sum(1)[:, None] for rows in (real, self.later, has_entropy)
        )
        self.n_cells = plan.n_cells(n_tokens)
        exact = plan.exact(n_tokens)
        self.pool = None if exact else block_weights(n_tokens, self.n_cells, device)
        self.coarse = coarse_weights(n_tokens, device) if plan.coarse else None

    def without(self, sinks: Tensor) -> Tensor:
        """[..., batch, query, near offset] 1 for visible keys that are not in sinks [..., batch,
        key]."""
        return self.beside * ~sinks[..., self.near[:, :N_NEAR]]


def runs_of_padding(real: Tensor) -> list[tuple[int, slice]]:
    """Document and tokens of each run. real: [batch, token] bool."""
    edges = torch.nn.functional.pad(~real, (1, 1)).int().diff()  # 1 before a run, -1 after it
    starts, stops = ((edges == edge).nonzero().tolist() for edge in (1, -1))
    return [
        (document, slice(start, stop))
        for (document, start), (_, stop) in zip(starts, stops, strict=True)
    ]


VANISHING = 1e-30  # float32 keeps the logarithm of what is larger to its usual precision
LARGE = 100.0  # nats; rounding of a larger log-sum-exp would show in the entropy
N_NEAR = 2 * LOCAL_WIDTHS[-1] + 1  # keys within the widest local window of a query


def row_normalizer(logits: Tensor, p: Tensor) -> Tensor:
    """[batch, head, query] logarithm of what the exponentials of a row's logits were divided by.

    logits, p: [batch, head, query, key]. It follows from one entry: log p = logit - normalizer. The
    first works unless it is vanishingly small; the largest always works, but must be searched."""
    if p[..., 0].min() < VANISHING:
        return logits.amax(-1) - p.amax(-1).log()
    return logits[..., 0] - p[..., 0].log()


def row_entropy(logits: Tensor, p: Tensor, lse: Tensor | None) -> Tensor:
    """[batch, head, query] entropy, in nats, of rows divided by their sum. Overwrites logits.
    logits, p: [batch, head, query, key]. lse: row_normalizer of rows that sum to 1, None for
    others."""
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


def coarse_weights(n_tokens: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Weights of the cells of coarse maps: [cell, token] of the queries, which are averaged, and
    [token, cell] of the keys, which are added."""
    edge = torch.tensor(edges(n_tokens), device=device)
    token = torch.arange(n_tokens, device=device)
    inside = ((token >= edge[:-1, None]) & (token < edge[1:, None])).float()
    return inside / inside.sum(1, keepdim=True), inside.T.contiguous()


def block_weights(n_tokens: int, n_cells: int, device: torch.device) -> Tensor:
    """[cell, token] weights that average the tokens of each of n_cells equal blocks, of which cell
    c begins at token floor(c * n_tokens / n_cells)."""
    edge = torch.arange(n_cells + 1, device=device) * n_tokens // n_cells
    token = torch.arange(n_tokens, device=device)
    inside = (token >= edge[:-1, None]) & (token < edge[1:, None])
    return inside / (edge[1:, None] - edge[:-1, None])
