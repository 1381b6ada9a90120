"""Run a model over documents and return the statistics as cells."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sinkscope.config import Settings
from sinkscope.documents import Document
from sinkscope.errors import SinkscopeError, error_class
from sinkscope.extract.audit import Audit, generator, rows_drawn
from sinkscope.extract.batches import Batch
from sinkscope.extract.cell import Cell
from sinkscope.extract.cells import arrays_of, cell_of, checked_heads, codes_of, members_of, plan_of
from sinkscope.extract.constants import constant
from sinkscope.extract.encode import Encoded, encode, encode_all
from sinkscope.extract.gates import gated_projections, gates_of
from sinkscope.extract.graphs import Graphs
from sinkscope.extract.model import Loaded
from sinkscope.extract.observation import Observation
from sinkscope.extract.observe import failed_pass, run_observed
from sinkscope.extract.plan import NO_MAPS, LayerStatistics, Plan
from sinkscope.extract.states import entering
from sinkscope.extract.streaming import Workspace


class Given(NamedTuple):
    """The input of a pass. ids: [row, token] int64. codes: [row, token] int8, the number of each
    token's class, -1 at padding. audited: [row, audited row] int64, the queries whose rows are
    audited."""

    ids: Tensor
    codes: Tensor
    audited: Tensor

    def to(self, device: torch.device) -> Given:
        return Given(*(constant(one, device) for one in self))


class Pass(NamedTuple):
    """An observed pass. statistics: stacked. column: of each of LISTED_SETS among the plan's sets;
    None if the plan's sets are LISTED_SETS. members: [row, token, listed set] bool, the sets of
    each token."""

    observation: Observation
    statistics: LayerStatistics
    column: Tensor | None
    members: Tensor


@dataclass(frozen=True)
class Analyser:
    """A loaded model with the settings of a run; analyse(document) returns its cell."""

    loaded: Loaded
    settings: Settings
    workspace: Workspace
    graphs: Graphs = field(default_factory=Graphs)

    @cached_property
    def gated_projections(self) -> list[torch.nn.Module]:
        return gated_projections(self.loaded.network, self.loaded.n_layers)

    @cached_property
    def padding_id(self) -> int:
        """Looked up once: tokenizers take a millisecond."""
        return self.loaded.tokenizer.pad_token_id or 0

    def encode_all(self, documents: Sequence[Document]) -> list[Encoded | SinkscopeError]:
        """The tokens of each document, or the error if it cannot be encoded."""
        texts = [(document.name, document.text) for document in documents]
        return encode_all(self.loaded, texts, truncate=self.settings.truncate)

    def analyse(self, document: Document) -> Cell:
        """Raises SinkscopeError naming model and document."""
        options = {"truncate": self.settings.truncate}
        encoded = encode(self.loaded, document.name, document.text, **options)
        (cell,) = self.analyse_together(Batch([document], [encoded]))
        if isinstance(cell, SinkscopeError):
            raise cell
        return cell

    def analyse_together(self, batch: Batch) -> list[Cell | SinkscopeError]:
        """The cell of each document of a batch, or its error, from one forward pass. Raises
        SinkscopeError if the pass itself fails."""
        observation, statistics, column, _ = self.run(batch)
        arrays = arrays_of(statistics, observation, column)[: len(batch.documents)]
        cells: list[Cell | SinkscopeError] = []
        row, audited = self.loaded.row, observation.audited[: len(batch.documents)]
        for document, tokens, values, audit in zip(
            batch.documents, batch.encoded, arrays, audited, strict=True
        ):
            try:
                cell = cell_of(row.model, document.name, row.dtype, tokens, values, observation)
                audit.check(row.model, document.name)
                cell.meta["audit"] = audit.facts
                cells.append(cell)
            except SinkscopeError as error:
                cells.append(error)
        return cells

    def given(self, batch: Batch) -> Given:
        """The input of a pass over a batch, on the processor. Padding follows each document; unused
        rows repeat the last document."""
        encoded = [*batch.encoded, *[batch.encoded[-1]] * (batch.n_rows - len(batch.encoded))]
        ids = np.full((len(encoded), batch.width), self.padding_id)
        real = torch.arange(batch.width) < torch.tensor([len(one.ids) for one in encoded])[:, None]
        for row, one in zip(ids, encoded, strict=True):
            row[: len(one.ids)] = one.ids
        audited = rows_drawn(real, generator(encoded[0].ids))
        return Given(torch.from_numpy(ids), codes_of(encoded, real), audited)

    def run(self, batch: Batch) -> Pass:
        """Raises SinkscopeError if the pass fails."""
        given = self.given(batch)
        return self.pass_over(
            given if batch.n_tokens is None else given.to(self.loaded.device), batch
        )

    def pass_over(self, given: Given, batch: Batch) -> Pass:
        """The pass over a batch. given: on the processor or on the model's device; in the latter
        case the pass copies nothing between them."""
        ids, real = constant(given.ids, self.loaded.device), given.codes >= 0
        members, column, mask = members_of(given.codes), None, None
        if batch.n_tokens is None:
            # Sets that hold the same keys, and those that no document has, are reduced once.
            distinct, column = members.unique(dim=2, return_inverse=True)
            plan = self.plan(distinct, real, with_maps=batch.with_maps)
            seed = [len(ids), *batch.encoded[0].ids]
        else:
            # The shape of a padded pass does not depend on its documents, and neither does the
            # layer that is audited.
            plan, seed = self.plan(members, real, with_maps=batch.with_maps), list(ids.shape)
            if self.loaded.family == "encoder":  # in a decoder, nothing before padding sees it
                mask = constant(real.long(), ids.device)
        observation, statistics = self.observed(plan, ids, mask, seed, given.audited)
        return Pass(observation, statistics, column, members)

    def observed(
        self,
        plan: Plan,
        ids: Tensor,
        attention_mask: Tensor | None,
        seed: Sequence[int],
        audited: Tensor,
    ) -> tuple[Observation, LayerStatistics]:
        """One forward pass and its stacked statistics. seed, audited: of its audit. If GPU memory
        runs out on a single document, this pass and later ones use blocks of half the size."""
        while True:
            try:
                return self.one_pass(plan, ids, attention_mask, seed, audited)
            except SinkscopeError as error:
                if len(ids) > 1 or not isinstance(error.__cause__, torch.OutOfMemoryError):
                    raise
                problem = str(error)  # the error itself would keep the memory alive
            if not self.workspace.halve():
                raise SinkscopeError(problem)
            print(
                f"model '{self.loaded.row.model}': GPU memory ran out on {ids.shape[1]} tokens; "
                f"continuing with blocks of {self.workspace.share:.3g} times the usual size",
                file=sys.stderr,
            )

    def one_pass(
        self,
        plan: Plan,
        ids: Tensor,
        attention_mask: Tensor | None,
        seed: Sequence[int],
        audited: Tensor,
    ) -> tuple[Observation, LayerStatistics]:
        observation = Observation(plan, self.workspace, audit=Audit(plan, seed, audited))
        network, n_layers = self.loaded.network, self.loaded.n_layers
        with (
            entering(network, n_layers, observation.states),
            gates_of(self.gated_projections, plan.real) as observation.gates,
        ):
            run_observed(self.loaded, observation, ids, attention_mask)
        try:  # on a GPU the last layers are reduced only now
            _ = observation.audit_numbers
            return observation, observation.stacked
        except RuntimeError as error:
            raise error_class(error)(failed_pass(self.loaded, ids.shape[1], error)) from error

    def heads(self) -> tuple[tuple[int, int], ...]:
        """(layer, head) of the single heads whose maps the settings ask for."""
        loaded, name = self.loaded, self.loaded.row.model
        items = [item.split("/") for item in self.settings.head_maps]
        pairs = [(int(i), int(j)) for model, i, j in items if model == name]
        where = "config: head_maps names"
        return checked_heads(pairs, name, loaded.n_layers, loaded.n_heads, where)

    def plan(self, distinct: Tensor, real: Tensor | None = None, *, with_maps: bool = True) -> Plan:
        """distinct, real: as of plan_of."""
        if with_maps:
            return replace(plan_of(distinct, self.settings, self.heads(), real), coarse=True)
        return replace(plan_of(distinct, self.settings, real=real), **NO_MAPS)
