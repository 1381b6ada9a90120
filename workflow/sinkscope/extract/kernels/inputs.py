"""Inputs of the kernels besides queries and keys, the same for all layers of a pass."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from sinkscope.extract.constants import constant, moved
from sinkscope.extract.kernels.packs import Counts, KeySets, Thresholds
from sinkscope.extract.masks import Visible
from sinkscope.extract.plan import Plan
from sinkscope.extract.sinks import limits

# Numbers per token are padded to a multiple of this, so that no tile reads beyond them.
ROWS = 256


class Inputs:
    """Inputs that follow from a plan, computed on the device of the visibility counts: a copy from
    the GPU would wait for all of its earlier work.

    float32 [batch, n_padded]: real, counted (all queries but the first), entropy_weight, and sinks,
    None if the plan has none. key_sets, counts, thresholds: packs; thresholds: None without a rule.
    float64: first [batch], position of key 0; n_strict [batch, key_set], queries that the strict
    mass of a set counts. offsets: int32 [offset], None without any. window: number of first
    queries.
    """

    def __init__(self, plan: Plan, visible: Visible, device: torch.device) -> None:
        where = visible.n_keys.device
        plan, visible = moved(plan, where), moved(visible, where)
        real, sets, n_keys = plan.real, plan.key_sets, visible.n_keys
        n_tokens, n_sets = sets.shape[1:]
        self.n_padded = -(-n_tokens // ROWS) * ROWS
        first = real.int().argmax(1)  # position of a document's first token
        later = real & (torch.arange(n_tokens, device=where) > first[:, None])
        with_entropy = later & (n_keys > 1)  # a row that sees one key has none
        weight = torch.where(with_entropy, 1 / n_keys.clamp(min=2).log(), 0.0)
        outside = in_words(~sets & later[..., None])
        rows = [
            real, later, visible.n_queries, visible.n_window_queries, weight,
            in_words(sets).view(torch.float32), outside.view(torch.float32),
        ]  # fmt: skip
        if plan.sinks is not None:
            rows.append(plan.sinks)
        if plan.rule is not None:
            rows += [limits(plan.rule, visible), visible.uniform_rows]
        n_outside = (~sets & later[..., None]).sum(1)
        numbers = [real.sum(1), later.sum(1), with_entropy.sum(1), first, n_outside]
        n_real, n_later, n_entropy, self.first, self.n_strict = (
            constant(torch.cat([one.flatten().double() for one in numbers]), device)
        ).split([one.numel() for one in numbers])
        joined = torch.cat([one.float().view(-1, n_tokens) for one in rows])
        of_rows = constant(F.pad(joined, (0, self.n_padded - n_tokens)), device)
        (
            self.real, self.counted, n_queries, n_window_queries, self.entropy_weight,
            members_of, strict_queries, *optional,
        ) = of_rows.split([one.numel() // n_tokens for one in rows])  # fmt: skip
        members_of, strict_queries = (
            words.view(torch.int32) for words in (members_of, strict_queries)
        )
        self.sinks = None if plan.sinks is None else optional.pop(0)
        self.thresholds = None
        if plan.rule is not None:
            limit, uniform = optional
            self.thresholds = Thresholds(limit, uniform, plan.rule.share, plan.rule.cosine)
        self.key_sets = KeySets(members_of, strict_queries, n_sets)
        self.counts = Counts(n_queries, n_window_queries, n_real, n_entropy, n_later)
        self.window, self.offsets = plan.window, None
        if plan.offsets:
            self.offsets = constant(torch.tensor(plan.offsets, dtype=torch.int32), device)


def in_words(sets: Tensor) -> Tensor:
    """int32 [batch, word, token], a bit per set, 32 per word, from bool [batch, token, key_set]."""
    bits = F.pad(sets.long(), (0, -sets.shape[2] % 32)).unflatten(2, (-1, 32))
    words = (bits << torch.arange(32, device=sets.device)).sum(-1)  # [batch, token, word]
    return words.int().mT.contiguous()
