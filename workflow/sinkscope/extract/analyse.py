"""Run a model over one document, and keep the statistics as a cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from sinkscope.config import Settings
from sinkscope.documents import Document
from sinkscope.errors import ModelError, SinkscopeError
from sinkscope.extract.cell import Cell
from sinkscope.extract.encode import Encoded, encode
from sinkscope.extract.model import Loaded
from sinkscope.extract.observe import run_observed
from sinkscope.extract.streaming import Observation, Workspace
from sinkscope.extract.sums import LayerStatistics, Plan
from sinkscope.keys import key_sets


@dataclass(frozen=True)
class Analyser:
    """A loaded model with the settings of a run; analyse(document) gives its cell."""

    loaded: Loaded
    settings: Settings
    workspace: Workspace

    def analyse(self, document: Document) -> Cell:
        """Raises SinkscopeError naming model and document."""
        encoded = encode(self.loaded, document.name, document.text, truncate=self.settings.truncate)
        sets = key_sets(encoded.classes)
        observation = Observation(self.plan(encoded, sets), self.workspace)
        ids = torch.tensor([encoded.ids], device=self.loaded.device)  # [1, token]
        run_observed(self.loaded, observation, ids)
        arrays = self.arrays(observation.layers, document)
        if self.settings.padded_counting and self.loaded.family == "encoder":
            full = len(encoded.ids) == self.loaded.max_length
            arrays["padded_max_key"] = arrays["max_key"] if full else self.padded(encoded)
        meta = {
            "model": self.loaded.row.model,
            "document": document.name,
            "tokens": encoded.tokens,
            "classes": encoded.classes,
            "key_sets": list(sets),
            "n_tokens_full": encoded.n_tokens_full,
            "window": self.settings.window,
            "is_causal": observation.is_causal,
            "heads": [f"{layer}/{head}" for layer, head in self.heads()],
        }
        return Cell(meta, arrays)

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

    def plan(self, encoded: Encoded, sets: dict[str, list[int]]) -> Plan:
        n_tokens, device = len(encoded.ids), self.loaded.device
        members = torch.zeros(1, n_tokens, len(sets), dtype=torch.bool)
        for column, positions in enumerate(sets.values()):
            members[0, positions, column] = True
        sinks = torch.zeros(1, n_tokens, dtype=torch.bool)
        sinks[0, sets.get("sinks", [])] = True
        return Plan(
            real=torch.ones(1, n_tokens, dtype=torch.bool, device=device),
            key_sets=members.to(device),
            sinks=sinks.to(device),
            window=self.settings.window,
            map_exact=self.settings.map_exact,
            map_cells=self.settings.map_cells,
            heads=self.heads(),
        )

    def arrays(
        self, layers: Sequence[LayerStatistics], document: Document
    ) -> dict[str, np.ndarray]:
        """Stack the layers of a batch of one document: [layer, ...]."""

        def stacked(name: str, dtype: torch.dtype = torch.float32) -> np.ndarray:
            found = [getattr(layer, name)[0].to(dtype) for layer in layers]
            return torch.stack(found).cpu().numpy()

        arrays = {
            name: stacked(name)
            for name in (
                "max_value",
                "sink_score",
                "mass",
                "strict_mass",
                "entropy",
                "row_sum",
                "over_half",
                "local",
                "local_no_sinks",
            )
        }
        for layer, values in enumerate(arrays["max_value"]):
            if not np.isfinite(values).all():
                raise SinkscopeError(
                    f"document '{document.name}': model '{self.loaded.row.model}' computes NaN or "
                    f"infinite attention logits in layer {layer} with dtype "
                    f"{self.loaded.row.dtype}; use float32, or check the weights."
                )
        arrays["max_key"] = stacked("max_key", torch.int32)
        arrays["window_score"] = stacked("window_score")[..., : self.settings.window]
        arrays["map"] = stacked("map", torch.float16)
        head_maps = torch.cat([layer.head_maps[0] for layer in layers])
        arrays["head_map"] = head_maps.half().cpu().numpy()
        return arrays

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
        everything = torch.ones(1, limit, dtype=torch.bool, device=device)
        no_sets = torch.zeros(1, limit, 0, dtype=torch.bool, device=device)
        plan = Plan(everything, no_sets, ~everything, map_exact=0, map_cells=1)
        observation = Observation(plan, self.workspace)
        run_observed(self.loaded, observation, ids, attention_mask)
        max_key = torch.stack([layer.max_key[0] for layer in observation.layers])
        return max_key.cpu().numpy().astype(np.int32)
