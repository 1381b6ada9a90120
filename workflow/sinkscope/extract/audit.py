"""Audited numbers: a few rows of every pass are computed again, by another formula in float64.

For one layer of each pass, drawn at random, the rows of a few queries of every document are held
against three things: the output of the model's own attention function, the output that the pass
went on with, and the statistics of the layer. The sum of the model's own outputs over all queries
is held against the attention that each key received, so that rows that were not drawn count too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from sinkscope.errors import SinkscopeError
from sinkscope.extract.formula import UNSEEN, logits_of, outputs, rows_of
from sinkscope.extract.masks import Call, Visible, heads_of
from sinkscope.extract.plan import LayerStatistics, Plan

N_ROWS = 3  # queries of each document
HALF = 0.03  # part of the largest value that an output in half precision may be off by
OF_SUMS, OF_LOGITS = 32, 4  # roundings that sums may be off by, and logits
TINY = 1e-30


@dataclass(frozen=True)
class Audited:
    """What an audit found for one document.

    layer: of the model. queries: the drawn ones. output_error: largest difference of an output
    from the recomputed one, as a fraction of the largest value in the layer. row_error: largest
    difference of a statistic, in attention. The bounds: what rounding can explain.
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
                    f"wrongly: {what} of layer {self.layer} differ by {error:.1e} from those "
                    f"computed again in float64, and rounding explains {bound:.1e}; use float32 "
                    "or another version of transformers, and report the model if that fails too.",
                    document,
                )

    @property
    def facts(self) -> dict[str, Any]:
        return {**vars(self), "queries": list(self.queries)}


class Drawn(NamedTuple):
    """A call of the attention. place: its number in the pass. layer: of the model. output: [batch,
    head, query, d], what the pass went on with."""

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
        device = call.query.device
        at = self.at.to(device)
        document = torch.arange(len(at), device=device)[:, None]
        logits = logits_of(call, at)
        rows = rows_of(call, logits, at)  # [batch, row, head, key]
        found = Found(self.plan, statistics, visible_of[place], place, device)
        received = found.received()

        key_head = int(self.random.integers(call.key.shape[1]))
        heads = heads_of(key_head, call.query, call.key)
        own = call.own(key_head)
        expected = outputs(rows, call.value)  # [batch, row, head, d]
        of_outputs = [
            output.transpose(1, 2)[document, at] - expected,
            own.transpose(1, 2)[document, at] - expected[:, :, heads],
        ]
        if not call.n_extra:  # what keys of no token receive is not kept
            value = call.value[:, key_head, None]
            total = outputs(received[:, None, heads], value)[:, 0]  # [batch, head, d]
            off = (found.real_sum(own) - total) / found.n_real[:, None, None]
            of_outputs.append(off[:, None])
        errors = torch.stack([one.abs().amax((1, 2, 3)) for one in of_outputs]).amax(0)
        largest = call.value.abs().amax((1, 2, 3)).double()
        of_row = found.error(received, rows.mean(2)[..., : call.query.shape[2]], document, at)
        numbers = [errors / largest.clamp(min=TINY), of_row, *bounds(call, logits)]
        return torch.stack(numbers, 1)


def generator(seed: Sequence[int]) -> np.random.Generator:
    return np.random.default_rng(crc32(np.array(seed, dtype=np.int64).tobytes()))


def rows_drawn(real: Tensor, random: np.random.Generator) -> Tensor:
    """[batch, row] int64 queries of each document. real: [batch, token] bool."""
    real = real.cpu()
    drawn = random.random((len(real), N_ROWS)) * real.sum(1, keepdim=True).numpy()
    return real.int().argmax(1)[:, None] + torch.from_numpy(np.sort(drawn.astype(int), 1))


def named(layer: int, queries: Tensor, numbers: Sequence[Sequence[float]]) -> list[Audited]:
    """One result for each document. queries: [batch, row], counted from its first token."""
    return [
        Audited(layer, tuple(of_one), *values)
        for of_one, values in zip(queries.tolist(), numbers, strict=True)
    ]


@dataclass(frozen=True)
class Found:
    """What a pass says of its layer number `place`. statistics: of all layers, stacked."""

    plan: Plan
    statistics: LayerStatistics
    visible: Visible
    place: int
    device: torch.device

    def of(self, name: str) -> Tensor:
        values: Tensor = getattr(self.statistics, name)[self.place]
        return values.to(self.device)

    @property
    def n_real(self) -> Tensor:
        """[batch]"""
        return self.plan.real.sum(1).to(self.device)

    def received(self) -> Tensor:
        """[batch, head, key] float64, attention summed over the queries that see the key."""
        n_queries = self.visible.n_queries.to(self.device)[:, None].double()
        return torch.where(n_queries > 0, self.of("sink_score") * n_queries, 0.0)

    def real_sum(self, rows: Tensor) -> Tensor:
        """[batch, head, d] float64, the sum over the real queries of [batch, head, query, d]."""
        real = self.plan.real.to(self.device)[:, None, :, None]
        return rows.masked_fill(~real, 0.0).sum(2, dtype=torch.float64)

    def error(self, received: Tensor, mean: Tensor, document: Tensor, at: Tensor) -> Tensor:
        """[batch] largest difference of the statistics of the queries `at` from `mean` [batch, row,
        key], the head mean of their rows, and of sums over queries from what keys received."""
        largest = mean.topk(min(2, mean.shape[-1])).values  # [batch, row, 2]
        n_real, key_sets = self.n_real[:, None], self.plan.key_sets.to(self.device).double()
        pairs = [
            (self.of("max_value")[document, at], largest[..., 0]),
            (mean.gather(2, self.of("max_key")[document, at][..., None]), largest[..., :1]),
            (self.of("second_value")[document, at], largest[..., 1:].sum(-1)),
            (self.of("row_sum") * n_real, received.sum(-1)),
            (self.of("mass") * n_real, (received.mean(1, keepdim=True) @ key_sets)[:, 0]),
        ]
        if self.plan.has_maps and self.plan.exact(mean.shape[-1]):
            pairs.append((self.of("map")[document, at], mean))
        differences = [(found - expected).flatten(1).abs().amax(1) for found, expected in pairs]
        for i in (3, 4):  # sums over queries: per query
            differences[i] = differences[i] / n_real[:, 0]
        return torch.stack(differences).amax(0)


def bounds(call: Call, logits: Tensor) -> tuple[Tensor, Tensor]:
    """[batch] what rounding can explain of the error of an output, and of a row.

    A logit computed in float32 is off by a few roundings of the products that it sums, which the
    norms of query and key limit; attention is off by as much, in parts of itself.
    """
    largest = [
        rows.float().square().sum(-1).amax((1, 2)).double() for rows in (call.query, call.key)
    ]
    products = (largest[0] * largest[1]).sqrt() * abs(call.scale)
    seen = logits.masked_fill(logits < UNSEEN, 0.0).abs().amax((1, 2, 3))
    of_row = torch.finfo(torch.float32).eps * (OF_SUMS + OF_LOGITS * (products + seen))
    is_half = call.value.dtype in (torch.float16, torch.bfloat16)
    return of_row + (HALF if is_half else 0.0), of_row
