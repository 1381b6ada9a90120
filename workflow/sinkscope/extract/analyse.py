"""Run a model over one document, and keep the statistics as a cell."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sinkscope.config import Settings
from sinkscope.documents import Document
from sinkscope.errors import ModelError, SinkscopeError
from sinkscope.extract.cell import Cell
from sinkscope.extract.encode import Encoded, encode
from sinkscope.extract.model import Loaded
from sinkscope.extract.observation import Observation
from sinkscope.extract.observe import failed_pass, run_observed
from sinkscope.extract.plan import LayerStatistics, Plan
from sinkscope.extract.streaming import Workspace
from sinkscope.keys import KEY_SETS, key_sets

# Arrays of a cell that are float32 as they come.
NUMBERS = (
    "max_value", "sink_score", "window_score", "mass", "strict_mass", "entropy", "row_sum",
    "over_half", "local", "local_no_sinks",
)  # fmt: skip


@dataclass(frozen=True)
class Analyser:
    """A loaded model with the settings of a run; analyse(document) gives its cell."""

    loaded: Loaded
    settings: Settings
    workspace: Workspace

    def encode(self, document: Document) -> Encoded:
        """Raises SinkscopeError naming model and document."""
        return encode(self.loaded, document.name, document.text, truncate=self.settings.truncate)

    def analyse(self, document: Document) -> Cell:
        """Raises SinkscopeError naming model and document."""
        (cell,) = self.analyse_together([document], [self.encode(document)])
        if isinstance(cell, SinkscopeError):
            raise cell
        return cell

    def analyse_together(
        self, documents: Sequence[Document], encoded: Sequence[Encoded]
    ) -> list[Cell | SinkscopeError]:
        """The cells of documents of one length, from one forward pass; in place of a cell that
        cannot be made, why. Raises SinkscopeError where the pass itself fails."""
        ids = torch.tensor([one.ids for one in encoded], device=self.loaded.device)
        observation, statistics = self.observed(self.plan(encoded), ids)
        arrays = self.arrays(statistics, encoded)
        found: list[Cell | SinkscopeError] = []
        for document, one, own in zip(documents, encoded, arrays, strict=True):
            try:
                found.append(self.cell(document, one, own, observation))
            except SinkscopeError as error:
                found.append(error)
        return found

    def observed(
        self, plan: Plan, ids: Tensor, attention_mask: Tensor | None = None
    ) -> tuple[Observation, LayerStatistics]:
        """One forward pass, and its statistics, stacked. Where GPU memory runs out on a single
        document, it begins again with blocks of half the size, which later documents keep."""
        while True:
            try:
                return self.one_pass(plan, ids, attention_mask)
            except SinkscopeError as error:
                if len(ids) > 1 or not isinstance(error.__cause__, torch.OutOfMemoryError):
                    raise
                problem = str(error)  # the error itself would hold on to the memory
            if not self.workspace.halve():
                raise SinkscopeError(problem)
            print(
                f"model '{self.loaded.row.model}': GPU memory ran out on {ids.shape[1]} tokens; "
                f"going on with blocks of {self.workspace.share:.3g} times the usual size",
                file=sys.stderr,
            )

    def one_pass(
        self, plan: Plan, ids: Tensor, attention_mask: Tensor | None
    ) -> tuple[Observation, LayerStatistics]:
        observation = Observation(plan, self.workspace)
        run_observed(self.loaded, observation, ids, attention_mask)
        try:  # on a GPU the last layers are reduced only now
            return observation, observation.stacked
        except RuntimeError as error:
            raise SinkscopeError(failed_pass(self.loaded, ids, error)) from error

    def cell(
        self,
        document: Document,
        encoded: Encoded,
        arrays: dict[str, np.ndarray],
        observation: Observation,
    ) -> Cell:
        """One document's part of a pass."""
        self.check_numbers(document, arrays["max_value"])
        if self.settings.padded_counting and self.loaded.family == "encoder":
            full = len(encoded.ids) == self.loaded.max_length
            arrays["padded_max_key"] = arrays["max_key"] if full else self.padded(encoded)
        meta = {
            "model": self.loaded.row.model,
            "document": document.name,
            "tokens": encoded.tokens,
            "classes": encoded.classes,
            "key_sets": list(key_sets(encoded.classes)),
            "n_tokens_full": encoded.n_tokens_full,
            "window": self.settings.window,
            "is_causal": observation.is_causal,
            "heads": [f"{layer}/{head}" for layer, head in self.heads()],
            "path": " and ".join(sorted(observation.paths)),
        }
        return Cell(meta, arrays)

    def check_numbers(self, document: Document, max_value: np.ndarray) -> None:
        """max_value: [layer, query]. Raises SinkscopeError where one is no number."""
        for layer, values in enumerate(max_value):
            if not np.isfinite(values).all():
                raise SinkscopeError(
                    f"document '{document.name}': model '{self.loaded.row.model}' computes NaN or "
                    f"infinite attention logits in layer {layer} with dtype "
                    f"{self.loaded.row.dtype}; use float32, or check the weights."
                )

    def heads(self) -> tuple[tuple[int, int], ...]:
        """(layer, head) of the single heads that are wanted of this model."""
        name, config = self.loaded.row.model, self.loaded.network.config
        wanted = [item.split("/") for item in self.settings.head_maps]
        found = sorted({(int(i), int(j)) for model, i, j in wanted if model == name})
        for layer, head in found:
            if layer >= self.loaded.n_layers or head >= config.num_attention_heads:
                raise ModelError(
                    f"config: head_maps names '{name}/{layer}/{head}', but the model has layers "
                    f"0 to {self.loaded.n_layers - 1} and heads 0 to "
                    f"{config.num_attention_heads - 1}; correct it."
                )
        return tuple(found)

    def plan(self, encoded: Sequence[Encoded]) -> Plan:
        """For documents of one length; key sets are those that any of them has."""
        shape = (len(encoded), len(encoded[0].ids))
        sets = [key_sets(one.classes) for one in encoded]
        names = names_of(encoded)
        members = torch.zeros(*shape, len(names), dtype=torch.bool)
        sinks = torch.zeros(shape, dtype=torch.bool)
        for i, own in enumerate(sets):
            for name, positions in own.items():
                members[i, positions, names.index(name)] = True
            sinks[i, own.get("sinks", [])] = True
        return Plan(
            real=torch.ones(shape, dtype=torch.bool),
            key_sets=members,
            sinks=sinks,
            window=self.settings.window,
            map_exact=self.settings.map_exact,
            map_cells=self.settings.map_cells,
            heads=self.heads(),
        )

    def arrays(
        self, layers: LayerStatistics, encoded: Sequence[Encoded]
    ) -> list[dict[str, np.ndarray]]:
        """For each document its arrays, [layer, ...]. layers: stacked, [layer, batch, ...]."""
        found = {name: getattr(layers, name).float().cpu().numpy() for name in NUMBERS}
        found["max_key"] = layers.max_key.int().cpu().numpy()
        found["map"] = layers.map.half().cpu().numpy()
        window = found["window_score"][..., : self.settings.window]
        head_map = layers.head_maps.half().cpu().numpy()  # [batch, wanted head, cell, cell]
        names = names_of(encoded)
        each = []
        for i, one in enumerate(encoded):
            columns = [names.index(name) for name in key_sets(one.classes)]
            own = {name: values[:, i] for name, values in found.items()}
            own["mass"], own["strict_mass"] = (own[n][:, columns] for n in ("mass", "strict_mass"))
            each.append(own | {"window_score": window[:, i], "head_map": head_map[i]})
        return each

    def padded(self, encoded: Encoded) -> np.ndarray:
        """Max keys [layer, query] of the document padded to the model's longest input.

        Study 1 padded its batch to the longest document and counted the queries at padding.
        What such a query attends to depends on its position, not on how many follow, so a
        run padded in full holds the answer for every batch.
        """
        tokenizer, limit = self.loaded.tokenizer, self.loaded.max_length
        if tokenizer.pad_token_id is None or limit is None:
            raise SinkscopeError(
                f"model '{self.loaded.row.model}': it has no padding token or no longest input; "
                "give max_length in the table of models, or set padded_counting: false."
            )
        n_tokens = len(encoded.ids)
        n_padding = limit - n_tokens
        device = self.loaded.device
        ids = torch.tensor([encoded.ids + [tokenizer.pad_token_id] * n_padding], device=device)
        attention_mask = torch.tensor([[1] * n_tokens + [0] * n_padding], device=device)
        everything = torch.ones(1, limit, dtype=torch.bool)
        no_sets = torch.zeros(1, limit, 0, dtype=torch.bool)
        plan = Plan(everything, no_sets, ~everything, map_exact=0, map_cells=1)
        _, statistics = self.observed(plan, ids, attention_mask)
        return statistics.max_key[:, 0].int().cpu().numpy()


def names_of(encoded: Sequence[Encoded]) -> list[str]:
    """The key sets that any of the documents has, in their order."""
    present = {name for one in encoded for name in key_sets(one.classes)}
    return [name for name in KEY_SETS if name in present]
