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
from sinkscope.errors import ModelError, SinkscopeError, error_class
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
    "max_value", "second_value", "sink_score", "window_score", "entropy", "row_sum", "over_half",
    "local", "local_no_sinks",
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
        # Sets that hold the same keys, and those that no document has, are reduced once.
        distinct, column = members_of(encoded).unique(dim=2, return_inverse=True)
        observation, statistics = self.observed(self.plan(encoded, distinct), ids)
        arrays = self.arrays(statistics, observation, column)
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
            raise error_class(error)(failed_pass(self.loaded, ids, error)) from error

    def cell(
        self,
        document: Document,
        encoded: Encoded,
        arrays: dict[str, np.ndarray],
        observation: Observation,
    ) -> Cell:
        """One document's part of a pass."""
        self.check_numbers(document, arrays["max_value"])
        meta = {
            "model": self.loaded.row.model,
            "document": document.name,
            "tokens": encoded.tokens,
            "classes": encoded.classes,
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
                    f"{self.loaded.row.dtype}; use float32, or check the weights.",
                    document.name,
                )

    def heads(self) -> tuple[tuple[int, int], ...]:
        """(layer, head) of the single heads that are wanted of this model."""
        name = self.loaded.row.model
        wanted = [item.split("/") for item in self.settings.head_maps]
        found = sorted({(int(i), int(j)) for model, i, j in wanted if model == name})
        for layer, head in found:
            if layer >= self.loaded.n_layers or head >= self.loaded.n_heads:
                raise ModelError(
                    f"config: head_maps names '{name}/{layer}/{head}', but the model has layers "
                    f"0 to {self.loaded.n_layers - 1} and heads 0 to "
                    f"{self.loaded.n_heads - 1}; correct it."
                )
        return tuple(found)

    def plan(self, encoded: Sequence[Encoded], distinct: Tensor) -> Plan:
        """For documents of one length. distinct: [document, token, set] bool, the key sets."""
        everything = torch.ones(distinct.shape[:2], dtype=torch.bool)
        sinks = torch.zeros_like(everything)
        for i, one in enumerate(encoded):
            sinks[i, key_sets(one.classes)["sinks"]] = True
        return Plan(
            real=everything,
            key_sets=distinct,
            sinks=sinks,
            window=self.settings.window,
            map_exact=self.settings.map_exact,
            map_cells=self.settings.map_cells,
            heads=self.heads(),
        )

    def arrays(
        self, layers: LayerStatistics, observation: Observation, column: Tensor
    ) -> list[dict[str, np.ndarray]]:
        """For each document its arrays, [layer, ...]. layers: stacked, [layer, batch, ...].
        column: for each of KEY_SETS its column among those of the plan."""
        found = {name: getattr(layers, name).float().cpu().numpy() for name in NUMBERS}
        for name in ("mass", "strict_mass"):
            found[name] = getattr(layers, name).float().cpu()[..., column].numpy()
        found["max_key"] = layers.max_key.int().cpu().numpy()
        found["map"] = layers.map.half().cpu().numpy()
        for name in ("n_queries", "n_window_queries"):
            counts = [getattr(layer, name).int().cpu() for layer in observation.visible_of]
            found[name] = torch.stack(counts).numpy()  # [layer, batch, key]
        # A causal window ends long before its document does.
        seen = found["n_window_queries"].any((0, 1)).nonzero()[0].max() + 1
        for name in ("window_score", "n_window_queries"):
            found[name] = found[name][..., :seen]
        head_map = layers.head_maps.half().cpu().numpy()  # [batch, wanted head, cell, cell]
        return [
            {name: values[:, i] for name, values in found.items()} | {"head_map": head_map[i]}
            for i in range(len(head_map))
        ]


def members_of(encoded: Sequence[Encoded]) -> Tensor:
    """[document, token, key_set] bool, for documents of one length: KEY_SETS that a token is in."""
    members = torch.zeros(len(encoded), len(encoded[0].ids), len(KEY_SETS), dtype=torch.bool)
    for i, one in enumerate(encoded):
        for place, positions in enumerate(key_sets(one.classes).values()):
            members[i, positions, place] = True
    return members
