"""Summaries of the documents of a pass: begun with the pass, finished while the next one runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sinkscope.errors import SinkscopeError, error_class
from sinkscope.extract.analyse import Analyser, Given
from sinkscope.extract.audit import Audited, named
from sinkscope.extract.batches import Batch
from sinkscope.extract.cell import Cell
from sinkscope.extract.cells import check_numbers, meta_of
from sinkscope.extract.observe import failed_pass
from sinkscope.extract.plan import Facts
from sinkscope.extract.summary.arrays import SCORED, of_layers, scored_sets
from sinkscope.extract.summary.of_pass import reduced

# Arrays of a pass that a summary takes over: whole, or up to its last token.
WHOLE = ("first_score", "norm_median", "view")
OF_KEYS = ("n_queries", "uniform", "n_ties", "n_near_ties")


class Reduced(NamedTuple):
    """The results of a pass, on its device. audited_layer: the layer whose rows were audited.
    scored: names of the sets whose best score is among the arrays."""

    facts: Facts
    audited_layer: int
    scored: Sequence[str]
    arrays: Joined


class Pending:
    """A pass whose results are on their way. audited: [row, audited row], the audited queries."""

    def __init__(self, analyser: Analyser, batch: Batch, audited: Tensor, reduced: Reduced) -> None:
        self.analyser, self.batch, self.audited, self.reduced = analyser, batch, audited, reduced
        self.transfer = Transfer(reduced.arrays)

    def cells(self) -> list[Cell | SinkscopeError]:
        """The summary of each document, or its error. Raises SinkscopeError for a failed device."""
        try:
            arrays = self.transfer.arrays()
        except RuntimeError as error:
            text = failed_pass(self.analyser.loaded, self.batch.width, error)
            raise error_class(error)(text) from error
        rows = np.nonzero((arrays["sinks.rules"] > 0) | (arrays["sinks.n_heads"] > 0))
        of_keys = [name for name in arrays if name.startswith("sinks.")]
        of_rows = {name: arrays[name][rows] for name in of_keys}
        of_rows |= {"sinks.layer": rows[1], "sinks.key": rows[2]}
        bounds = np.searchsorted(rows[0], np.arange(len(self.batch.documents) + 1))
        numbers = arrays["audit"].tolist()
        audited = named(self.reduced.audited_layer, self.audited, numbers)
        results: list[Cell | SinkscopeError] = []
        for i, (start, stop) in enumerate(pairwise(bounds)):
            one = {name: values[start:stop] for name, values in of_rows.items()}
            try:
                results.append(self._cell(i, arrays, one, audited[i]))
            except SinkscopeError as error:
                results.append(error)
        return results

    def _cell(
        self,
        i: int,
        arrays: dict[str, np.ndarray],
        of_rows: dict[str, np.ndarray],
        audited: Audited,
    ) -> Cell:
        """Raises SinkscopeError for attention that is not finite, and where its audit fails."""
        row, encoded = self.analyser.loaded.row, self.batch.encoded[i]
        name, n_tokens = self.batch.documents[i].name, len(encoded.ids)
        if not arrays["is_finite"][i].all():
            values = np.where(arrays["is_finite"][i], 0, np.nan)[:, None]
            check_numbers(row.model, name, row.dtype, values, self.reduced.facts.layer_of)
        audited.check(row.model, name)
        is_causal = bool(arrays["is_causal"].item())
        meta = meta_of(row.model, name, encoded, self.reduced.facts, is_causal=is_causal)
        meta["audit"] = audited.facts
        n_max = arrays["sinks.n_max"][i, :, :n_tokens]
        of_all, of_window = scored_sets(encoded.classes, self.reduced.facts.plan.window)
        best = [
            arrays[array][i, [self.reduced.scored.index(one) for one in names]]
            for array, names in (("best_score", of_all), ("best_window_score", of_window))
        ]
        return Cell(
            meta,
            {one.name: arrays[one.name][i] for one in of_layers()}
            | {one: arrays[one][i] for one in WHOLE}
            | {one: arrays[one][i, ..., :n_tokens] for one in OF_KEYS}
            | {
                "best_score": np.concatenate(best),
                "n_max": n_max.sum(0),
                "last_n_max": n_max[-1],
                "last_received": arrays["sinks.received"][i, -1, :n_tokens],
            }
            | of_rows,
        )


def begin(analyser: Analyser, batch: Batch, tie_tolerance: float) -> Pending:
    """Launch a pass over a batch without maps. Raises SinkscopeError if the pass fails."""
    present = {name for encoded in batch.encoded for name in encoded.classes}
    is_padded, on_gpu = batch.n_tokens is not None, analyser.loaded.device.type == "cuda"
    names = SCORED if is_padded and on_gpu else [one for one in SCORED if one in present]
    scored = tuple(dict.fromkeys(["first_token", *names]))

    def launch(given: Given) -> Reduced:
        observation, layers, column, members = analyser.pass_over(given, batch)
        audit, numbers = observation.audit, observation.audit_numbers
        assert audit is not None
        assert numbers is not None
        arrays = reduced(layers, observation, column, members, scored, tie_tolerance)
        return Reduced(observation.facts, audit.layer, scored, Joined(arrays | {"audit": numbers}))

    given = analyser.given(batch)
    if is_padded and on_gpu:
        return replayed_or_launched(analyser, batch, given, launch)
    return Pending(analyser, batch, given.audited, launch(given))


def replayed_or_launched(
    analyser: Analyser, batch: Batch, given: Given, launch: Callable[[Given], Reduced]
) -> Pending:
    """A pass on a GPU whose shape other passes have too."""
    graphs, shape = analyser.graphs, tuple(given.ids.shape)
    results = graphs.replayed(shape, given)
    if results is not None:
        return Pending(analyser, batch, given.audited, results)
    results = launch(given.to(analyser.loaded.device))
    launched = Pending(analyser, batch, given.audited, results)
    # What reduces blocks in torch has buffers that later passes may give back.
    is_reduced = graphs.wants(shape) and results.facts.paths == ("triton",)
    if is_reduced and len({one.device for one in analyser.loaded.network.parameters()}) == 1:
        device, with_mask = analyser.loaded.device, analyser.loaded.family == "encoder"
        captured = graphs.captured(shape, given, launch, device, with_mask=with_mask)
        if captured is not None:
            with torch.inference_mode():
                captured.arrays.bytes.zero_()  # only what a replay writes counts
            graphs.replayed(shape, given)
            replayed = Pending(analyser, batch, given.audited, captured)
            graphs.judge(shape, is_right=all(map(same, replayed.cells(), launched.cells())))
    return launched


def same(one: Cell | SinkscopeError, other: Cell | SinkscopeError) -> bool:
    """Whether two summaries are equal bit by bit, or both refused."""
    if isinstance(one, SinkscopeError) or isinstance(other, SinkscopeError):
        return str(one) == str(other)
    return one.meta == other.meta and all(
        values.tobytes() == other.arrays[name].tobytes() for name, values in one.arrays.items()
    )


class Joined:
    """Tensors of one device, joined to one of bytes."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        # The largest types first, so that every array is aligned.
        self._names = sorted(tensors, key=lambda name: -tensors[name].element_size())
        self._kinds = {name: (one.dtype, one.shape) for name, one in tensors.items()}
        parts = [tensors[name].contiguous().view(-1).view(torch.uint8) for name in self._names]
        self.bytes = torch.cat(parts)

    def split(self, of_all: Tensor) -> dict[str, np.ndarray]:
        """The arrays, by name. of_all: the bytes, on the processor."""
        arrays, start = {}, 0
        for name in self._names:
            dtype, shape = self._kinds[name]
            stop = start + math.prod(shape) * dtype.itemsize
            arrays[name] = of_all[start:stop].view(dtype).view(shape).numpy()
            start = stop
        return arrays


class Transfer:
    """Begins the copy of joined tensors. `arrays` waits for it, not for work that was launched
    later; the tensors may be written again after what was launched before."""

    def __init__(self, joined: Joined) -> None:
        self._joined, self._bytes = joined, joined.bytes
        self._event: torch.cuda.Event | None = None
        if self._bytes.is_cuda:
            on_device, self._event = self._bytes, torch.cuda.Event()
            self._bytes = torch.empty(on_device.shape, dtype=torch.uint8, pin_memory=True)
            self._bytes.copy_(on_device, non_blocking=True)
            self._event.record(torch.cuda.current_stream(on_device.device))

    def arrays(self) -> dict[str, np.ndarray]:
        """Raises RuntimeError if the device has failed."""
        if self._event is not None:
            self._event.synchronize()
            self._bytes = self._bytes.clone()  # pinned memory is for the next passes
        return self._joined.split(self._bytes)
