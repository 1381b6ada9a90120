"""Attention on the first terminator, compared with key 0 and with other marks at its position.

For every document four inputs of equal length run as one batch: the text with its first terminator
as each of MARKS. One of them is the text itself; the comma is the control.
"""

from collections.abc import Container, Sequence

import numpy as np
import polars as pl
import torch
from torch import Tensor

from sinkscope.experiments.second_sink.constants import OWN, STEPS, SUMS, UNITS
from sinkscope.experiments.second_sink.maps import MAP_TOKENS, head_means, single_heads
from sinkscope.extract.encode import Encoded
from sinkscope.extract.model import Loaded
from sinkscope.measure.marks import Marked, marked
from sinkscope.measure.passes import (
    Pass,
    Task,
    counted_queries,
    mean_mass,
    observe,
    plan_of,
    readable,
    shortened,
    shown_documents,
    unit,
)
from sinkscope.tables.arrays import rows_of


def strongest_other(score: np.ndarray, n_queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The key other than 0 with the highest score, and its score (NaN if no key qualifies); both
    [layer, mark].

    score: [layer, mark, key], head mean over the n_queries (same shape) that see the key. Only keys
    that more than half of the queries see qualify, as in the sink rate.
    """
    candidates = np.where(2 * n_queries > score.shape[2], score, -1)
    candidates[..., 0] = -1
    best = candidates.max(-1)
    return candidates.argmax(-1), np.where(best < 0, np.nan, best)


def by_layer(forward: Pass, text: Marked, tokens: Sequence[Sequence[str]]) -> pl.DataFrame:
    """One row per mark and layer: masses over later queries, and similarity to key 0's state.
    tokens: [mark][token], as they are shown."""
    mass = forward.stacked("query_mass").numpy()  # [layer, mark, query, set]
    likeness = torch.stack([to_first(states, text.key) for states in forward.states], 1)
    keys = [0, text.key]
    n_marks, n_tokens = mass.shape[1:3]
    first, second = (mean_mass(mass, keys, i, is_causal=forward.is_causal) for i in (0, 1))
    following = np.full_like(first, np.nan)
    if text.following is not None:
        keys = [*keys, text.following]
        following = mean_mass(mass, keys, 2, is_causal=forward.is_causal)
    # Attention on key 0 before the second sink; without a causal mask every query sees both.
    before = np.full_like(first, np.nan)
    if forward.is_causal and text.key > 1:
        before = mass[:, :, 1 : text.key, 0].mean(2)
    strongest, strongest_score = strongest_other(
        forward.stacked("sink_score").mean(2).numpy(), forward.n_queries.numpy()
    )
    n_queries = int(counted_queries(n_tokens, [0, text.key], is_causal=forward.is_causal).sum())
    columns = {
        "first_token": first,
        "second_sink": second,
        "ratio": second / first,
        "next_terminator": following,
        "first_token_before": before,
        "strongest_key": strongest,
        "strongest_token": np.array(tokens)[np.arange(n_marks), strongest],
        "strongest": strongest_score,
        **dict(
            zip(("cosine", "unit_distance", "cosine_others"), likeness.cpu().numpy(), strict=True)
        ),
    }
    return rows_of(columns, layer=None, mark=text.marks).with_columns(
        is_own=pl.col("mark") == text.marks[text.own],
        key=pl.lit(text.key),
        n_queries=pl.lit(n_queries),
    )


def to_first(states: Tensor, key: int) -> Tensor:
    """[3, mark]: cosine of the key's state to that of key 0, distance of the two as unit vectors,
    and median cosine of all other positions to key 0. states: [mark, token, d]."""
    units = unit(states)
    cosine = torch.einsum("btd,bd->bt", units, units[:, 0])
    distance = (units[:, key] - units[:, 0]).norm(dim=-1)
    other = torch.ones(states.shape[1], dtype=torch.bool, device=states.device)
    other[[0, key]] = False
    others = cosine[:, other]
    # Not torch.median, which takes the lower of two middle values.
    middle = others.quantile(0.5, 1) if others.shape[1] else torch.full_like(distance, torch.nan)
    return torch.stack([cosine[:, key], distance, middle])


def local(forward: Pass, text: Marked) -> pl.DataFrame:
    """One row per layer and query of the text itself: masses and local attention, head means."""
    mass = forward.stacked("query_mass")[:, text.own].numpy()  # [layer, query, set]
    near = {
        name: forward.stacked(field)[:, text.own].numpy()
        for name, field in (("local", "query_local"), ("local_no_first", "query_local_no_sinks"))
    }
    columns = {"first_token": mass[..., 0], "second_sink": mass[..., 1], **near}
    return rows_of(columns, layer=None, query=None).with_columns(key=pl.lit(text.key))


class States:
    """Takes one state per document. Sums the unit vectors, and keeps those of the documents in
    `documents`.

    Sums are integers, in steps of 1 / STEPS, so that they do not depend on the order of documents
    or on their division into shards.
    """

    def __init__(self, documents: Container[str]) -> None:
        self.documents = documents
        self._sums: dict[str, Tensor] = {}  # kind to int64 [layer, d]
        self._counts: dict[str, int] = {}
        self._units: dict[str, dict[str, Tensor]] = {}

    def add(self, kind: str, states: Tensor, document: str) -> None:
        """states: [layer, d] of one document."""
        units = unit(states)
        steps = (units * STEPS).round().long()
        self._sums[kind] = self._sums[kind] + steps if kind in self._sums else steps
        self._counts[kind] = self._counts.get(kind, 0) + 1
        if document in self.documents:
            self._units.setdefault(kind, {})[document] = units

    def sums(self) -> pl.DataFrame:
        """mark, layer, n_documents, total (a list of d steps)."""
        return pl.concat(
            pl.DataFrame(
                {"layer": range(len(total)), "total": total.tolist()},
                schema_overrides={"total": pl.List(pl.Int64)},
            ).with_columns(mark=pl.lit(kind), n_documents=pl.lit(self._counts[kind]))
            for kind, total in self._sums.items()
        )

    def units(self, kind: str) -> pl.DataFrame:
        """document, layer, unit (a list of d numbers), of the documents in `documents`."""
        parts = [
            pl.DataFrame({"layer": range(len(units)), "unit": units.tolist()}).with_columns(
                document=pl.lit(document)
            )
            for document, units in self._units.get(kind, {}).items()
        ]
        return pl.concat(parts) if parts else pl.DataFrame()


def measure(loaded: Loaded, task: Task) -> dict[str, pl.DataFrame]:
    """Frames by name; empty if no document has a sentence that ends."""
    shown_names = shown_documents(task)
    layers: list[pl.DataFrame] = []
    locals_: list[pl.DataFrame] = []
    states = States(shown_names)
    example: tuple[str, Encoded, int] | None = None
    loaded = shortened(loaded, task)
    for document, encoded in readable(loaded, task):
        text = marked(loaded.tokenizer, encoded)
        if text is None:
            continue
        name = pl.lit(document.name).alias("document")
        ids = text.ids.to(loaded.device)
        forward = observe(loaded, ids, plan_of(ids, text.sets, sinks=[0], by_query=True))
        tokens = text.tokens(loaded.tokenizer, encoded)
        layers.append(by_layer(forward, text, tokens).with_columns(name))
        # The naive expectation of local attention needs queries before the second sink.
        if forward.is_causal and document.name in shown_names:
            locals_.append(local(forward, text).with_columns(name))
        for row, mark in enumerate(text.marks):
            token_states = torch.stack([layer[row, text.key] for layer in forward.states]).cpu()
            states.add(mark, token_states, document.name)
            if row == text.own:
                states.add(OWN, token_states, document.name)
        if example is None and text.key < MAP_TOKENS / 2 <= len(encoded.ids) / 2:
            example = document.name, encoded, text.key
    if not layers:
        return {}
    maps, heads = pl.DataFrame(), pl.DataFrame()
    if example is not None:
        of_document, encoded, key = example
        maps, forward = head_means(loaded, encoded, key)
        wanted = task.settings["second_sink_heads"]
        heads = single_heads(loaded, encoded, key, forward, wanted)
        maps, heads = (rows.with_columns(document=pl.lit(of_document)) for rows in (maps, heads))
    return {
        "second_sink": pl.concat(layers),
        "second_sink_local": pl.concat(locals_) if locals_ else pl.DataFrame(),
        "second_sink_maps": maps,
        "second_sink_heads": heads,
        SUMS: states.sums(),
        UNITS: states.units(OWN),
    }
