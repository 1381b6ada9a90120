"""Summaries of the documents of a pass: begun with the pass, finished while the next one runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sinkscope.errors import SinkscopeError, error_class
from sinkscope.extract.analyse import Analyser
from sinkscope.extract.audit import Audited
from sinkscope.extract.batches import Batch
from sinkscope.extract.cell import Cell
from sinkscope.extract.cells import check_numbers, meta_of
from sinkscope.extract.observation import Observation
from sinkscope.extract.observe import failed_pass
from sinkscope.extract.summary.arrays import SCORED, of_layers, scored_sets
from sinkscope.extract.summary.of_pass import reduced
from sinkscope.extract.summary.transfer import Transfer

# Arrays of a pass that a summary takes over: whole, or up to its last token.
WHOLE = ("first_score", "norm_median", "view")
OF_KEYS = ("n_queries", "uniform", "n_ties", "n_near_ties")


@dataclass(frozen=True)
class Pending:
    """A pass whose results are on their way to the processor. scored: names of the sets whose best
    score it has."""

    analyser: Analyser
    batch: Batch
    observation: Observation
    scored: Sequence[str]
    transfer: Transfer

    def cells(self) -> list[Cell | SinkscopeError]:
        """The summary of each document, or its error. Waits for the pass. Raises SinkscopeError if
        the device has failed."""
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
        assert self.observation.audit is not None
        audited = self.observation.audit.named(arrays["audit"].tolist())
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
        """The summary of document i. Raises SinkscopeError for attention that is not finite, and
        where its audit fails."""
        row, encoded = self.analyser.loaded.row, self.batch.encoded[i]
        name, n_tokens = self.batch.documents[i].name, len(encoded.ids)
        is_finite = np.where(arrays["is_finite"][i], 0, np.nan)
        check_numbers(row.model, name, row.dtype, is_finite[:, None], self.observation.layer_of)
        audited.check(row.model, name)
        meta = meta_of(row.model, name, encoded, self.observation, bool(arrays["is_causal"].item()))
        meta["audit"] = audited.facts
        n_max = arrays["sinks.n_max"][i, :, :n_tokens]
        of_all, of_window = scored_sets(encoded.classes, self.observation.plan.window)
        best = [
            arrays[array][i, [self.scored.index(one) for one in names]]
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
    observation, layers, column, members = analyser.run(batch)
    present = {name for encoded in batch.encoded for name in encoded.classes}
    scored = ["first_token", *(name for name in SCORED if name in present)]
    arrays = reduced(layers, observation, column, members, scored, tie_tolerance)
    assert observation.audit_numbers is not None
    arrays["audit"] = observation.audit_numbers
    return Pending(analyser, batch, observation, scored, Transfer(arrays))
