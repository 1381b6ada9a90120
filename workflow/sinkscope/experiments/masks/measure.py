"""Read texts with restricted attention: the loss, and where attention goes. A dense pass detects
the sinks; then several masks share a pass over the same tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import torch

from sinkscope.experiments.masks.allowed import Text, allowed
from sinkscope.experiments.masks.vocabulary import parse
from sinkscope.extract.edit import Edited, restricted, visible_keys
from sinkscope.extract.encode import Encoded
from sinkscope.extract.masks import Call
from sinkscope.extract.model import Loaded
from sinkscope.extract.observation import Observation
from sinkscope.extract.output_head import with_output_head
from sinkscope.extract.states import entering
from sinkscope.extract.streaming import Workspace
from sinkscope.keys import key_sets
from sinkscope.measure.passes import Task, plan_of, readable, shortened
from sinkscope.measure.prediction import Prediction, Result, predicted, results, seed_of
from sinkscope.sink_rule import SinkRule, rule_of
from sinkscope.tables.arrays import rows_of

DENSE = parse("dense")
TOGETHER = 2048  # tokens of the texts of one pass


@dataclass(frozen=True)
class Reading:
    """One pass over a text. Arrays [layer, key]: is_sink; received, attention of the queries that
    see a key (mean over heads and them); mass, the same over all queries; n_queries that see it.
    Arrays [layer]: own, local, entropy, see the table mask_layers. visible: [layer, query, key]
    bool. layers: numbers of the layers. result: losses and states."""

    is_sink: np.ndarray
    received: np.ndarray
    mass: np.ndarray
    n_queries: np.ndarray
    own: np.ndarray
    local: np.ndarray
    entropy: np.ndarray
    visible: np.ndarray
    layers: list[int]
    result: Result


def read(
    loaded: Loaded, prediction: Prediction, rule: SinkRule, keys: Sequence[np.ndarray | None]
) -> list[Reading]:
    """One reading of the text per entry of keys, together in one pass. An entry is [layer, query,
    key] bool, the keys that each query may attend to, or None for all keys that are visible in the
    model."""
    ids = prediction.ids.expand(len(keys), -1).to(loaded.device)
    observation = Observation(plan_of(ids, rule=rule, offsets=(0,)), Workspace(loaded.device))
    visible: list[np.ndarray] = []  # [text, query, key] per layer

    def edit(place: int, call: Call) -> Call:
        n = ids.shape[1]
        of_layer = [np.ones((n, n), bool) if one is None else one[place] for one in keys]
        allowed = torch.from_numpy(np.stack(of_layer)).to(call.query.device)
        call = restricted(call, allowed[:, None])
        visible.append(visible_keys(call).cpu().numpy())
        return call

    with entering(loaded.network, loaded.n_layers, observation.states):
        of_keys = results(loaded, Edited(observation, edit), prediction, len(keys))
    statistics, n_queries = observation.stacked, observation.counts("n_queries")

    def array(name: str, row: int) -> np.ndarray:
        values: np.ndarray = getattr(statistics, name)[:, row].cpu().double().numpy()
        return values

    def reading(row: int) -> Reading:
        received = array("sink_score", row).mean(1)  # [layer, key]
        n_seeing = n_queries[:, row].double().numpy()
        return Reading(
            is_sink=array("is_sink", row).astype(bool),
            received=received,
            mass=np.nan_to_num(received) * n_seeing / ids.shape[1],
            n_queries=n_seeing.astype(np.int64),
            own=array("diagonals", row)[..., 0].mean((1, 2)),
            local=array("local", row)[..., -1].mean(1),
            entropy=array("entropy", row).mean(1),
            visible=np.stack([layer[row] for layer in visible]),
            layers=observation.layer_of,
            result=of_keys[row],
        )

    return [reading(row) for row in range(len(keys))]


def costs(reading: Reading, dense: Reading, prediction: Prediction) -> dict[str, Any]:
    """Columns of one row of the table masks."""
    result, of_dense = reading.result, dense.result
    cosine = torch.nn.functional.cosine_similarity(result.states, of_dense.states, dim=-1)
    row = {
        "share_of_pairs": float(reading.visible.sum() / dense.visible.sum()),
        "n_sinks": float(dense.is_sink.sum(1).mean()),
        "n_tokens": prediction.ids.shape[1],
        "n_predicted": len(prediction.places),
        "loss": None,
        "agreement": None,
        "cosine": float(cosine.clamp(-1, 1).mean()),
    }
    if result.loss is not None:
        agreement = np.mean(result.best == of_dense.best)
        row |= {"loss": float(result.loss.mean()), "agreement": float(agreement)}
    return row


def stacked(readings: Sequence[Reading], name: str) -> np.ndarray:
    """[reading, layer, ...] of one of their arrays."""
    return np.stack([getattr(reading, name) for reading in readings])


def of_layers(readings: Sequence[Reading], dense: Reading) -> pl.DataFrame:
    """Rows of the table mask_layers, with the index of each reading."""
    mass, is_sink = stacked(readings, "mass"), stacked(readings, "is_sink")
    columns = {
        "dense_sinks": (mass * dense.is_sink).sum(-1),
        "found_sinks": (mass * is_sink).sum(-1),
        "n_found": is_sink.sum(-1),
        "n_new": (is_sink & ~dense.is_sink).sum(-1),
        "first_token": mass[..., 0],
        **{name: stacked(readings, name) for name in ("own", "local", "entropy")},
    }
    return rows_of(columns, reading=None, layer=None)


def of_sinks(readings: Sequence[Reading], dense: Reading, encoded: Encoded) -> pl.DataFrame:
    """Rows of the table mask_sinks, with the index of each reading."""
    reading, layer, key = places = np.nonzero(stacked(readings, "is_sink"))
    return pl.DataFrame(
        {
            "reading": reading,
            "layer": layer,
            "key": key,
            "token": np.array(encoded.tokens, dtype=object)[key],
            "key_class": np.array(encoded.classes, dtype=object)[key],
            "is_dense_sink": dense.is_sink[layer, key],
            **{name: stacked(readings, name)[places] for name in ("n_queries", "received", "mass")},
        },
        schema_overrides={"token": pl.String, "key_class": pl.String},
    )


def sets_of(encoded: Encoded, is_sink: np.ndarray) -> dict[str, np.ndarray]:
    """[layer or 1, key] bool by key set. is_sink: [layer, key]."""
    sets: dict[str, np.ndarray] = {}
    for name, keys in key_sets(encoded.classes).items():
        sets[name] = np.zeros((1, len(encoded.ids)), dtype=bool)
        sets[name][0, keys] = True
    return sets | {"sinks": is_sink}


def frames_of(
    loaded: Loaded, encoded: Encoded, task: Task, document: str
) -> dict[str, pl.DataFrame]:
    """Frames of one text by table name. Masks that allow the same keys share a reading."""
    rule, seeds = rule_of(task.settings), seed_of(task.settings["mask_seed"], document)
    prediction = predicted(loaded, encoded, seeds)
    (dense,) = read(loaded, prediction, rule, [None])
    text = Text(dense.visible, sets_of(encoded, dense.is_sink), seeds, dense.layers)
    others = [one for one in map(parse, task.settings["masks"]) if one != DENSE]
    masks = [(one, False) for one in (DENSE, *others)]
    masks += [(one, True) for one in others if one.has_control]  # their controls
    keys = [allowed(mask, text, control=is_control) for mask, is_control in masks]
    names = [one.tobytes() for one in keys]
    readings = {dense.visible.tobytes(): dense}
    distinct = {name: one for name, one in zip(names, keys, strict=True) if name not in readings}
    n_together = max(1, TOGETHER // len(encoded.ids))
    for start in range(0, len(distinct), n_together):
        some = list(distinct)[start : start + n_together]
        together = read(loaded, prediction, rule, [distinct[name] for name in some])
        readings |= dict(zip(some, together, strict=True))
    of_masks = [readings[name] for name in names]
    labels = [
        {"document": document, "mask": mask.text, "is_control": is_control}
        for mask, is_control in masks
    ]
    labels_of_readings = pl.DataFrame(labels).with_row_index("reading")
    layers, sinks = of_layers(of_masks, dense), of_sinks(of_masks, dense, encoded)
    return {
        "masks": pl.DataFrame(
            [
                costs(reading, dense, prediction) | label
                for reading, label in zip(of_masks, labels, strict=True)
            ]
        ),
        "mask_layers": labelled(layers, labels_of_readings),
        "mask_sinks": labelled(sinks, labels_of_readings),
    }


def labelled(rows: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """The rows with the labels of their reading in place of its number."""
    rows = rows.with_columns(pl.col("reading").cast(pl.UInt32))
    return rows.join(labels, on="reading", how="left", maintain_order="left").drop("reading")


def measure(loaded: Loaded, task: Task) -> dict[str, pl.DataFrame]:
    loaded = with_output_head(loaded) or loaded
    frames: dict[str, list[pl.DataFrame]] = {}
    for document, encoded in readable(shortened(loaded, task), task):
        if len(encoded.ids) < task.settings["sink_queries"]:
            continue
        for name, frame in frames_of(loaded, encoded, task, document.name).items():
            frames.setdefault(name, []).append(frame)
    return {name: pl.concat(some, how="vertical_relaxed") for name, some in frames.items()}
