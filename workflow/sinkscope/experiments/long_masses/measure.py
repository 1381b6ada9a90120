"""Masses of long texts, exact or estimated from a sample of the queries."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import torch
from torch import Tensor

from sinkscope.documents import Document
from sinkscope.errors import SinkscopeError
from sinkscope.extract.encode import Encoded
from sinkscope.extract.masks import Call, of_tokens_alone
from sinkscope.extract.model import Loaded
from sinkscope.extract.observation import Observation
from sinkscope.extract.observe import run_observed
from sinkscope.extract.plan import Plan
from sinkscope.extract.sampled import (
    Estimate,
    Sample,
    SampledLayer,
    draw,
    sampled_layer,
    seed_of,
)
from sinkscope.extract.streaming import Workspace
from sinkscope.keys import key_sets
from sinkscope.measure.passes import Task, plan_of, readable
from sinkscope.tables.arrays import rows_of


@dataclass(frozen=True)
class Reading:
    """A text's layers. n_seeing: [layer, key], number of all queries that see a key. n_queries: of
    those that were read."""

    layers: list[SampledLayer]
    n_seeing: np.ndarray
    n_queries: int

    def columns(self, name: str) -> dict[str, np.ndarray]:
        """[layer, ...] of one statistic: NAME, NAME_error, NAME_low, NAME_high."""
        estimates = [getattr(layer, name) for layer in self.layers]
        value, error, half = (np.stack(rows) for rows in zip(*estimates, strict=True))
        return {
            name: value,
            f"{name}_error": error,
            f"{name}_low": value - half,
            f"{name}_high": value + half,
        }


def exact(loaded: Loaded, ids: Tensor, plan: Plan) -> Reading:
    """All queries, by the reductions that the atlas uses; errors are NaN."""
    observation = Observation(plan, Workspace(loaded.device))
    run_observed(loaded, observation, ids)

    def known(values: Tensor) -> Estimate:
        numbers = values.double().cpu().numpy()
        unknown = np.full_like(numbers, np.nan)
        return Estimate(numbers, unknown, unknown)

    layers = [
        SampledLayer(
            known(layer.mass[0]), known(layer.strict_mass[0]), known(layer.sink_score[0].mean(0)),
            layer.max_key[0].cpu().numpy(),
        )
        for layer in observation.layers
    ]  # fmt: skip
    return Reading(layers, observation.counts("n_queries")[:, 0].numpy(), ids.shape[1])


def sampled(loaded: Loaded, ids: Tensor, plan: Plan, sample: Sample) -> Reading:
    """The model's attention runs unchanged; only the rows of the sampled queries are computed in
    addition."""
    counting = Observation(plan, Workspace(loaded.device), fused=False)
    key_sets = plan.key_sets[0].cpu().numpy()
    layers: list[SampledLayer] = []
    n_seeing: list[np.ndarray] = []

    def read(call: Call) -> Tensor:
        visible = counting.visible(of_tokens_alone(call), call.query.device)
        n_seeing.append(visible.n_queries[0].cpu().numpy())
        layers.append(sampled_layer(call, sample, key_sets, visible))
        assert call.own is not None
        return call.own()

    run_observed(loaded, read, ids)
    return Reading(layers, np.stack(n_seeing), sample.n_queries)


def read(loaded: Loaded, task: Task, encoded: Encoded, sets: Sequence[Sequence[int]]) -> Reading:
    """sets: positions of the keys of each set."""
    ids = torch.tensor([encoded.ids], device=loaded.device)
    plan, sample = plan_of(ids, sets), None
    # Encoders read short texts, of which a sample misses rare peaks: intervals held 90 %.
    if task.settings["queries"] == "sampled" and loaded.family == "decoder":
        seed = seed_of(task.settings["queries_seed"], encoded.ids)
        sample = draw(plan.key_sets[0].cpu().numpy(), task.settings["queries_part"], seed)
    if sample is None:
        return exact(loaded, ids, plan)
    return sampled(loaded, ids, plan, sample)


def check_numbers(loaded: Loaded, document: Document, reading: Reading) -> None:
    for at, layer in enumerate(reading.layers):
        if not np.isfinite(layer.mass.value).all():
            raise SinkscopeError(
                f"document '{document.name}': model '{loaded.row.model}' computes NaN or infinite "
                f"attention logits in layer {at} with dtype {loaded.row.dtype}; use float32, or "
                "check the weights.",
                document.name,
            )


def of_sets(reading: Reading, names: Sequence[str], sets: Sequence[Sequence[int]]) -> pl.DataFrame:
    """Rows of the table long_masses, without model and document."""
    columns = reading.columns("mass") | reading.columns("strict_mass")
    n_keys = np.broadcast_to([len(keys) for keys in sets], columns["mass"].shape)
    return rows_of({"n_keys": n_keys, **columns}, layer=None, key_set=names)


def of_keys(reading: Reading, encoded: Encoded, most: int) -> pl.DataFrame:
    """Rows of the table long_mass_keys, without model and document."""
    columns = reading.columns("received")
    n_tokens = len(encoded.ids)
    columns["n_max"] = np.stack(
        [np.bincount(layer.max_key, minlength=n_tokens) for layer in reading.layers]
    )
    candidates = np.where(2 * reading.n_seeing >= n_tokens, columns["received"], -np.inf)
    # Of equal keys the earlier: argsort is stable.
    best = np.sort(np.argsort(-candidates, axis=1, kind="stable")[:, :most], axis=1)
    columns["is_seen"] = np.isfinite(candidates)
    best_of = {name: np.take_along_axis(rows, best, 1) for name, rows in columns.items()}
    rows = rows_of({"key": best, **best_of}, layer=None, place=None)
    named = {"token": encoded.tokens, "key_class": encoded.classes}
    return (
        rows.filter("is_seen")
        .drop("place", "is_seen")
        .join(pl.DataFrame({"key": np.arange(n_tokens), **named}), on="key", how="left")
    )


def measure(loaded: Loaded, task: Task) -> dict[str, pl.DataFrame]:
    most = task.settings["long_mass_tokens"]
    shorter = replace(loaded, max_length=min(most, loaded.max_length or most))
    frames: dict[str, list[pl.DataFrame]] = {"long_masses": [], "long_mass_keys": []}
    for document, encoded in readable(shorter, task):
        sets = {name: keys for name, keys in key_sets(encoded.classes).items() if keys}
        reading = read(shorter, task, encoded, list(sets.values()))
        check_numbers(loaded, document, reading)
        parts = (
            of_sets(reading, list(sets), list(sets.values())),
            of_keys(reading, encoded, task.settings["long_mass_keys"]),
        )
        for name, frame in zip(frames, parts, strict=True):
            frames[name].append(
                frame.with_columns(
                    document=pl.lit(document.name),
                    n_tokens=pl.lit(len(encoded.ids)),
                    n_queries=pl.lit(reading.n_queries),
                )
            )
    return {name: pl.concat(of_name) for name, of_name in frames.items() if of_name}
