"""Audits: a few rows of every pass are recomputed by another formula in float64.

For one random layer of each pass, the rows of a few queries of every document are compared with the
output of the model's attention function, the output that the pass used, and the statistics of the
layer. The sum of the model's outputs over all queries is compared with the attention that each key
received, so that undrawn rows count too.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Any, NamedTuple
from zlib import crc32

import torch
from torch import Tensor

from sinkscope.errors import SinkscopeError
from sinkscope.extract.formula import UNSEEN, logits_of, of_queries, outputs, rows_of
from sinkscope.extract.masks import Call, Visible, heads_of
from sinkscope.extract.plan import LayerStatistics, Plan

N_ROWS = 3  # queries of each document
HALF = 0.03  # part of the largest value that an output in half precision may be off by
OF_SUMS, OF_LOGITS = 32, 4  # roundings that sums may be off by, and logits
TINY = 1e-30


@dataclass(frozen=True)
class Audited:
    """The result of an audit for one document.

    layer: of the model. queries: the drawn ones. output_error: largest difference of an output from
    the recomputed one, as a fraction of the largest value in the layer. row_error: largest
    difference of a statistic, in attention. The bounds: the largest errors that rounding explains.
    """

    layer: int
    queries: tuple[int, ...]
    output_error: float
    row_error: float
    output_bound: float
    row_bound: float

    def check(self, model: str, document: str) -> None:
        """Raises SinkscopeError if an error is above its bound."""
        for what, error, bound in (
            ("outputs", self.output_error, self.output_bound),
            ("rows", self.row_error, self.row_bound),
        ):
            if not error <= bound:  # also NaN
                raise SinkscopeError(
                    f"document '{document}': the attention of model '{model}' was observed "
                    f"incorrectly: {what} of layer {self.layer} differ by {error:.1e} from those "
                    f"recomputed in float64, and rounding explains {bound:.1e}; use float32 "
                    "or another version of transformers, and report the model if that fails too.",
                    document,
                )

    @property
    def facts(self) -> dict[str, Any]:
        return {**vars(self), "queries": list(self.queries)}


class Drawn(NamedTuple):
    """A call of the attention. place: its number in the pass. layer: of the model. output: [batch,
    head, query, d], used by the pass."""

    place: int
    layer: int
    call: Call
    output: Tensor


class Audit:
    """Draws queries of every document and one layer of a pass, and keeps the layer's call."""

    def __init__(self, plan: Plan, seed: Sequence[int], at: Tensor | None = None) -> None:
        """seed: equal ones draw equally. at: [batch, row] the queries, of rows_drawn; None: drawn
        here."""
        self.plan = plan
        self.random = generator(seed)
        self.at = rows_drawn(plan.real, self.random) if at is None else at
        self.drawn: Drawn | None = None

    def see(self, place: int, layer: int, call: Call, output: Tensor) -> None:
        """Keep this call, or the one before: all calls of a pass are equally likely."""
        if self.random.random() * (place + 1) < 1:
            self.drawn = Drawn(place, layer, call, output)

    def results(self, statistics: LayerStatistics, visible_of: Sequence[Visible]) -> list[Audited]:
        """One result for each document; arguments as of `numbers`."""
        return self.named(self.numbers(statistics, visible_of).tolist())

    @property
    def layer(self) -> int:
        """The layer that was drawn."""
        assert self.drawn is not None
        return self.drawn.layer

    def named(self, numbers: Sequence[Sequence[float]]) -> list[Audited]:
        """One result for each document."""
        first = self.plan.real.cpu().int().argmax(1)
        return named(self.layer, self.at.cpu() - first[:, None], numbers)

    @torch.inference_mode()  # without it, each step takes longer
    def numbers(self, statistics: LayerStatistics, visible_of: Sequence[Visible]) -> Tensor:
        """[batch, 4] errors and bounds of Audited, on the device. statistics: of all layers,
        stacked. visible_of: of each layer."""
        assert self.drawn is not None
        place, _, call, output = self.drawn
        assert call.own is not None
        at = self.at.to(call.query.device)
        computed = Computed(self.plan, statistics, visible_of[place], place, at)
        logits = logits_of(call, at)
        rows = rows_of(call, logits, at)  # [batch, head, row, key]
        received = computed.received()

        key_head = self.random.randrange(call.key.shape[1])
        heads = heads_of(key_head, call.query, call.key)
        own = call.own(key_head)
        of_own = of_queries(own, at)
        expected_of = rows
        if not call.n_extra:  # what keys of no token receive is not kept
            expected_of = torch.cat([rows, received[:, :, None]], 2)
            of_own = torch.cat([of_own, computed.real_mean(own)], 2)
        expected = outputs(expected_of, call.value)  # [batch, head, row, d]
        error = torch.maximum(
            largest_of(of_queries(output, at) - expected[:, :, : at.shape[1]]),
            largest_of(of_own - expected[:, heads]),
        )
        error /= largest_of(call.value).clamp(min=TINY)
        of_row = computed.error(received, rows.mean(1)[..., : call.query.shape[2]])
        return torch.stack([error, of_row, *bounds(call, logits)], 1)


def generator(seed: Sequence[int]) -> Random:
    """Python's own: one of numpy takes longer to make than a short text takes to audit."""
    return Random(crc32(array("q", seed).tobytes()))


def rows_drawn(real: Tensor, random: Random) -> Tensor:
    """[batch, row] int64 queries of each document. real: [batch, token] bool."""
    is_real = real.cpu().numpy()
    bounds = zip(is_real.argmax(1).tolist(), is_real.sum(1).tolist(), strict=True)
    return torch.tensor(
        [sorted(first + random.randrange(n) for _ in range(N_ROWS)) for first, n in bounds]
    )


def named(layer: int, queries: Tensor, numbers: Sequence[Sequence[float]]) -> list[Audited]:
    """One result for each document. queries: [batch, row], counted from its first token."""
    return [
        Audited(layer, tuple(of_one), *values)
        for of_one, values in zip(queries.tolist(), numbers, strict=True)
    ]


@dataclass(frozen=True)
class Computed:
    """The statistics of the pass for its layer number `place`. statistics: of all layers, stacked.
    at: [batch, row] the drawn queries, on the device of the layer."""

    plan: Plan
    statistics: LayerStatistics
    visible: Visible
    place: int
    at: Tensor

    def of(self, name: str) -> Tensor:
        values: Tensor = getattr(self.statistics, name)[self.place]
        return values.to(self.at.device)

    @cached_property
    def n_real(self) -> Tensor:
        """[batch, 1] float64"""
        return self.plan.real.sum(1, keepdim=True, dtype=torch.float64).to(self.at.device)

    def received(self) -> Tensor:
        """[batch, head, key] float64, attention of the queries that see the key, summed and divided
        by the number of all queries."""
        share = self.visible.n_queries.to(self.at.device) / self.n_real
        # NaN: no query sees the key. Another one would be missing in what rows sum to.
        return (self.of("sink_score") * share[:, None]).nan_to_num(0.0)

    def real_mean(self, rows: Tensor) -> Tensor:
        """[batch, head, 1, d] float64, the mean over the real queries of [batch, head, query,
        d]."""
        padding = ~self.plan.real.to(self.at.device)[:, None, :, None]
        total = rows.masked_fill(padding, 0.0).sum(2, keepdim=True, dtype=torch.float64)
        return total / self.n_real[:, None, None]

    def error(self, received: Tensor, mean: Tensor) -> Tensor:
        """[batch] largest difference of the statistics of the drawn queries from `mean` [batch,
        row, key], the head mean of their rows, and of means over queries from what keys
        received."""
        first, *others = mean.topk(min(2, mean.shape[-1])).values.unbind(-1)  # [batch, row]
        second = others[0] if others else 0.0
        key_sets = self.plan.key_sets.to(self.at.device, torch.float64)
        max_key = self.of("max_key").gather(1, self.at)[..., None]
        differences = [
            self.of("max_value").gather(1, self.at) - first,
            mean.gather(2, max_key)[..., 0] - first,
            self.of("second_value").gather(1, self.at) - second,
            self.of("row_sum") - received.sum(-1),
            self.of("mass") - (received.mean(1, keepdim=True) @ key_sets)[:, 0],
        ]
        if self.plan.has_maps and self.plan.exact(mean.shape[-1]):
            at = self.at[..., None].expand(-1, -1, mean.shape[-1])
            differences.append((self.of("map").gather(1, at) - mean).flatten(1))
        return largest_of(torch.cat(differences, 1))


def largest_of(values: Tensor) -> Tensor:
    """[batch] largest absolute value of [batch, ...]; NaN if one is."""
    return values.abs().amax(tuple(range(1, values.ndim)))


def bounds(call: Call, logits: Tensor) -> tuple[Tensor, Tensor]:
    """[batch] the largest errors of an output and of a row that rounding explains.

    A logit computed in float32 is off by a few roundings of the products that it sums, which the
    norms of query and key limit; attention is off by as much, in parts of itself.
    """
    query, key = (
        torch.linalg.vector_norm(rows, dim=-1, dtype=torch.float32).amax((1, 2)).double()
        for rows in (call.query, call.key)
    )
    seen = largest_of(logits.masked_fill(logits < UNSEEN, 0.0))
    products = query * key * abs(call.scale)
    of_row = torch.finfo(torch.float32).eps * (OF_SUMS + OF_LOGITS * (products + seen))
    is_half = call.value.dtype in (torch.float16, torch.bfloat16)
    return of_row + (HALF if is_half else 0.0), of_row
