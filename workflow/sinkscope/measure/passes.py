"""One observed forward pass of an experiment: statistics, residual states, and norms of keys and
values, all from the same run of the model."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sinkscope.documents import Document
from sinkscope.errors import ModelError, SinkscopeError
from sinkscope.extract.encode import Encoded, encode
from sinkscope.extract.masks import Call
from sinkscope.extract.model import Loaded
from sinkscope.extract.observation import Observation
from sinkscope.extract.observe import run_observed
from sinkscope.extract.plan import NO_MAPS, LayerStatistics, Plan
from sinkscope.extract.progress import progress
from sinkscope.extract.streaming import Workspace


@dataclass(frozen=True)
class Task:
    """The documents of a measurement, and the keys of the configuration that it declares."""

    documents: tuple[Document, ...]
    settings: dict[str, Any]


@dataclass(frozen=True)
class Pass:
    """Results of one pass, one entry per layer with attention.

    states: [batch, token, d], the residual state that enters the layer, from which its queries,
    keys and values are computed. (The output of the last layer is not included: many families
    return it only after their final norm.) key_norms, value_norms: [batch, token], L2, mean over
    key-value heads; NaN for keys that are not known (Call.has_keys). n_queries: [layer, batch,
    key], number of queries that see a key.
    """

    layers: list[LayerStatistics]
    states: tuple[Tensor, ...]
    key_norms: list[Tensor]
    value_norms: list[Tensor]
    n_queries: Tensor
    is_causal: bool

    def stacked(self, name: str) -> Tensor:
        """[layer, batch, ...] of one statistic, float64, on the CPU."""
        return torch.stack([getattr(layer, name) for layer in self.layers]).cpu().double()


class Watching(Observation):
    """An observation that also records the norms of keys and values."""

    def __init__(self, plan: Plan, workspace: Workspace) -> None:
        super().__init__(plan, workspace)
        self.key_norms: list[Tensor] = []
        self.value_norms: list[Tensor] = []

    def __call__(self, call: Call) -> Tensor:
        key_norm = call.key.float().norm(dim=-1).mean(1)
        self.key_norms.append(key_norm if call.has_keys else torch.full_like(key_norm, torch.nan))
        self.value_norms.append(call.value.float().norm(dim=-1).mean(1))
        return super().__call__(call)

    def shown(self, states: Sequence[Tensor]) -> Pass:
        """The results as a Pass. states: [batch, token, d] that enters each layer."""
        n_queries = self.counts("n_queries")
        return Pass(
            self.layers, tuple(states), self.key_norms, self.value_norms, n_queries, self.is_causal
        )


def plan_of(
    ids: Tensor, key_sets: Sequence[Sequence[int]] = (), sinks: Sequence[int] = (), **options: Any
) -> Plan:
    """A plan for ids [batch, token] without padding, sets alike in every row. options: of the
    Plan."""
    is_real = torch.ones_like(ids, dtype=torch.bool)
    members = torch.zeros(*ids.shape, len(key_sets), dtype=torch.bool, device=ids.device)
    for column, positions in enumerate(key_sets):
        members[:, list(positions), column] = True
    sink_mask = ~is_real
    sink_mask[:, list(sinks)] = True
    return Plan(is_real, members, sink_mask, **NO_MAPS | options)


def observe(loaded: Loaded, ids: Tensor, plan: Plan) -> Pass:
    """Run the model over ids [batch, token], on its device."""
    observation = Watching(plan, Workspace(loaded.device))
    output = run_observed(loaded, observation, ids, hidden_states=True)
    states = output.hidden_states
    if states is None or len(states) <= loaded.n_layers:
        raise ModelError(
            f"model '{loaded.row.model}': {type(loaded.network).__name__} does not return the "
            "hidden states of its layers; take second_sink, norms, depth and bos out of "
            "experiments, or choose another model."
        )
    return observation.shown([states[layer] for layer in observation.layer_of])


def statistics_of(loaded: Loaded, ids: Tensor, **options: Any) -> list[LayerStatistics]:
    """Of every layer over ids [batch, token], without states and key sets. options: of the Plan."""
    ids = ids.to(loaded.device)
    observation = Observation(plan_of(ids, **options), Workspace(loaded.device))
    run_observed(loaded, observation, ids)
    return observation.layers


def shortened(loaded: Loaded, task: Task) -> Loaded:
    """The same model, limited to the first experiment_tokens tokens of a document."""
    most = task.settings["experiment_tokens"]
    return replace(loaded, max_length=min(most, loaded.max_length or most))


def readable(loaded: Loaded, task: Task) -> Iterator[tuple[Document, Encoded]]:
    """Every document as the model reads it, cut to the length that the model takes; by name, since
    the last digits of sums depend on the order. Documents that the model cannot read are skipped;
    the atlas reports them."""
    with progress(loaded.row.model, len(task.documents), loaded.device) as advance:
        for document in by_name(task.documents):
            with suppress(SinkscopeError):
                yield document, encode(loaded, document.name, document.text, truncate=True)
            advance()


def by_name(documents: Sequence[Document]) -> list[Document]:
    return sorted(documents, key=lambda document: document.name)


def shown_documents(task: Task) -> set[str]:
    """Names of the documents that the report shows individually: the first of the table."""
    return {document.name for document in task.documents[: task.settings["documents_in_report"]]}


def unit(states: Tensor) -> Tensor:
    """[..., d] float64, divided by its length."""
    return torch.nn.functional.normalize(states.double(), dim=-1)


def counted_queries(n_tokens: int, keys: list[int], *, is_causal: bool) -> np.ndarray:
    """[query] bool: the queries that see all of `keys` and are not among them."""
    query = np.arange(n_tokens)
    return query > max(keys) if is_causal else ~np.isin(query, keys)


def mean_mass(mass: np.ndarray, keys: list[int], column: int, *, is_causal: bool) -> np.ndarray:
    """[layer, mark] mean of mass [layer, mark, query, set] over counted_queries; else NaN."""
    queries = counted_queries(mass.shape[2], keys, is_causal=is_causal)
    if not queries.any():
        return np.full(mass.shape[:2], np.nan)
    return mass[:, :, queries, column].mean(2)
