"""The role of every head, and the loss if the sinks of a role's heads are edited."""

import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import torch
from torch import Tensor

from sinkscope.experiments.head_roles.constants import KINDS, NONE, ON, ROLES
from sinkscope.experiments.head_roles.edits import edited_output
from sinkscope.experiments.head_roles.reading import Reading
from sinkscope.experiments.head_roles.roles import triangle_of
from sinkscope.extract.encode import Encoded
from sinkscope.extract.masks import Call
from sinkscope.extract.model import Loaded
from sinkscope.extract.output_head import with_output_head
from sinkscope.extract.output_projection import ProjectionError, output_projections
from sinkscope.measure.passes import Task, readable, shortened
from sinkscope.measure.prediction import Prediction, Result, predicted, results, seed_of

TOGETHER = 2048  # tokens of the texts of one pass
FEW = 8  # tokens on which the output projections are looked for


@dataclass(frozen=True)
class Group:
    """Heads that are edited together: those of a role, or a single one. members: [layer][head]
    bool."""

    role: str
    members: Sequence[np.ndarray]
    layer: int | None = None
    head: int | None = None


def of_heads(reading: Reading, encoded: Encoded) -> pl.DataFrame:
    """Rows of the table head_roles_documents."""
    parts = []
    for number, layer in zip(reading.numbers, reading.layers, strict=True):
        heads = layer.heads
        columns = {
            "head": np.arange(len(heads.key)),
            "key": heads.key,
            "token": np.array(encoded.tokens, dtype=object)[heads.key],
            "key_class": np.array(encoded.classes, dtype=object)[heads.key],
            "share_of_queries": heads.share,
            "value_ratio": heads.value_ratio,
            "stable_rank": heads.stable_rank,
            "role": heads.roles,
        }
        schema = {"token": pl.String, "key_class": pl.String}
        nothing = np.full(len(heads.key), np.nan)  # for a kind that needs another text
        changes = {
            f"{on}_{kind}": layer.changes.get((kind, on), nothing) for kind in KINDS for on in ON
        }
        frame = pl.DataFrame(columns | changes, schema_overrides=schema)
        parts.append(frame.with_columns(layer=pl.lit(number)))
    return pl.concat(parts)


def groups_of(reading: Reading, n_single: int) -> Iterator[Group]:
    """The heads of each role with a sink; then the n_single heads whose removed sink changes their
    output most, each alone."""
    roles = [np.array(layer.heads.roles) for layer in reading.layers]
    for role in ROLES:
        if role != NONE and any((of_layer == role).any() for of_layer in roles):
            yield Group(role, [of_layer == role for of_layer in roles])
    change = [layer.changes["remove", "sink"] for layer in reading.layers]
    places = [
        (-change[at][head], at, head)
        for at, of_layer in enumerate(roles) for head in np.flatnonzero(of_layer != NONE)
    ]  # fmt: skip
    for _, at, head in sorted(places)[:n_single]:
        members = [np.zeros(len(of_layer), dtype=bool) for of_layer in roles]
        members[at][head] = True
        yield Group(str(roles[at][head]), members, reading.numbers[at], int(head))


def edited(
    loaded: Loaded, prediction: Prediction, reading: Reading, rows: Sequence[tuple[Group, str, str]]
) -> list[Result]:
    """One result per row: heads, kind of edit, and name of ON. All rows share a pass."""
    variants = [(kind, on) for _, kind, on in rows]

    places = itertools.count()

    def attend(call: Call) -> Tensor:
        place = next(places)
        layer = reading.layers[place]
        keys = [
            torch.from_numpy(np.where(group.members[place], layer.keys[on], -1)).to(
                call.query.device
            )
            for group, _, on in rows
        ]
        return edited_output(call, reading.edit(place, variants, keys)).to(call.query.dtype)

    return results(loaded, attend, prediction, len(rows))


def of_edits(
    loaded: Loaded, prediction: Prediction, reading: Reading, dense: Result, task: Task
) -> pl.DataFrame:
    """Rows of the table head_edits; none if no head has a sink."""
    groups = groups_of(reading, task.settings["single_heads"])
    kinds = task.settings["head_edits"]
    rows = [(group, kind, on) for group in groups for kind, on in reading.variants if kind in kinds]
    n_together = max(1, TOGETHER // prediction.ids.shape[1])
    frames = []
    for start in range(0, len(rows), n_together):
        some = rows[start : start + n_together]
        for (group, kind, on), result in zip(
            some, edited(loaded, prediction, reading, some), strict=True
        ):
            frames.append(
                {
                    "role": group.role,
                    "layer": group.layer,
                    "head": group.head,
                    "n_heads": int(sum(of_layer.sum() for of_layer in group.members)),
                    "edit": kind,
                    "edited_key": on,
                    "n_predicted": len(prediction.places),
                    **compared(result, dense),
                }
            )
    schema = {"layer": pl.UInt16, "head": pl.UInt16, "loss": pl.Float64, "dense_loss": pl.Float64}
    return pl.DataFrame(frames, schema_overrides=schema, infer_schema_length=None)


def compared(result: Result, dense: Result) -> dict[str, float | None]:
    cosine = torch.nn.functional.cosine_similarity(result.states, dense.states, dim=-1)
    loss, of_dense = (
        None if one.loss is None else float(one.loss.mean()) for one in (result, dense)
    )
    return {"loss": loss, "dense_loss": of_dense, "cosine": float(cosine.clamp(-1, 1).mean())}


@dataclass(frozen=True)
class Reader:
    """Reads texts without edits. triangles: of each layer, as in Reading. is_gated: whether the
    heads' outputs have gates."""

    loaded: Loaded
    task: Task
    triangles: Sequence[Tensor]
    is_gated: bool

    def read(
        self, document: str, encoded: Encoded, other: Reading | None
    ) -> tuple[Reading, Prediction, Result]:
        """other: the reading of another text."""
        seeds = seed_of(self.task.settings["mask_seed"], document)
        prediction = predicted(self.loaded, encoded, seeds)
        gates: list[Tensor | None] = [None] * len(self.triangles)
        if self.is_gated:
            gates = [one.gate for one in output_projections(self.loaded, prediction.ids)]
        n_queries = self.task.settings["sink_queries"]
        reading = Reading(self.triangles, n_queries, seeds, other, gates)
        (result,) = results(self.loaded, reading, prediction, 1)
        return reading, prediction, result


def measure(loaded: Loaded, task: Task) -> dict[str, pl.DataFrame]:
    loaded = with_output_head(loaded) or loaded
    texts = [
        (document.name, encoded)
        for document, encoded in readable(shortened(loaded, task), task)
        if len(encoded.ids) > task.settings["sink_queries"]
    ]
    if not texts:
        return {}
    first = torch.tensor([texts[0][1].ids[:FEW]])
    try:
        projections = output_projections(loaded, first)
    except ProjectionError as error:  # the rule does not apply to it
        print(f"{error} The model has no rows in the tables of head_roles.", file=sys.stderr)
        return {}
    triangles = [triangle_of(one.weight) for one in projections]
    is_gated = any(one.gate is not None for one in projections)
    reader = Reader(loaded, task, triangles, is_gated)
    other = reader.read(*texts[-1], None)[0] if len(texts) > 1 else None
    heads, edits = [], []
    for number, (document, encoded) in enumerate(texts):
        reading, prediction, dense = reader.read(document, encoded, other)
        name = pl.lit(document).alias("document")
        heads.append(of_heads(reading, encoded).with_columns(name))
        if number < task.settings["edited_documents"]:
            rows = of_edits(loaded, prediction, reading, dense, task)
            edits.append(rows.with_columns(name))
        if other is not None:
            other = replace(reading, other=None)  # not a chain of all texts
    edits = [frame for frame in edits if not frame.is_empty()]
    frames = {"head_roles_documents": pl.concat(heads)}
    return frames | ({"head_edits": pl.concat(edits)} if edits else {})
