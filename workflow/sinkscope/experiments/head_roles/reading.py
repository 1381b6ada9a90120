"""One pass over a text: the role of every head, and the effect of edits on its output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from sinkscope.experiments.head_roles.constants import KINDS, MEAN, ON, OTHER, RANDOM, REMOVE, SINK
from sinkscope.experiments.head_roles.edits import LayerEdit, edited_output, values_of
from sinkscope.experiments.head_roles.roles import Heads, Writing, heads_of
from sinkscope.extract.edit import attention_rows, visible_keys
from sinkscope.extract.masks import Call


@dataclass(frozen=True)
class Layer:
    """One layer in one text. keys: by name of ON, [head], -1 for none. values: by name of ON,
    [head, d], of these keys. changes: by kind and name of ON, [head], the relative change of what
    the head writes."""

    heads: Heads
    keys: dict[str, np.ndarray]
    values: dict[str, Tensor]
    changes: dict[tuple[str, str], np.ndarray]


@dataclass
class Reading:
    """Called in place of the attention of every layer, it returns its output and keeps a Layer.

    triangles: of each layer, [head, d, d] of roles.triangle_of. other: the reading of another text.
    gates: of each layer, [head, query, d], the factors on the heads' outputs in this text; None for
    a layer without.
    """

    triangles: Sequence[Tensor]
    n_queries: int
    seeds: Sequence[int]
    other: Reading | None
    gates: Sequence[Tensor | None]
    layers: list[Layer] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)  # of the layers

    @property
    def variants(self) -> list[tuple[str, str]]:
        """Kinds of edits and what they are of; those with another text need one."""
        kinds = [kind for kind in KINDS if kind != OTHER or self.other is not None]
        return [(kind, on) for kind in kinds for on in ON]

    def __call__(self, call: Call) -> Tensor:
        place = len(self.layers)
        self.numbers.append(place if call.layer is None else call.layer)
        rows, values = attention_rows(call), values_of(call)
        output = rows @ values
        visible = visible_keys(call)[0].cpu().numpy()
        writing = Writing(self.triangles[place], self.gates[place])
        arrays = [t[0].double().cpu() for t in (rows, values, output)]
        of_text = Text(writing, *arrays)
        heads = heads_of(of_text.rows, of_text.values, writing, visible, self.n_queries)
        keys = {SINK: heads.key, RANDOM: self.random_keys(place, heads.key, visible)}
        head = torch.arange(values.shape[1], device=values.device)
        layer = Layer(
            heads,
            keys,
            {on: values[0, head, of.clip(min=0)] for on, of in keys.items()},
            self.changes(call, of_text, keys, place),
        )
        self.layers.append(layer)
        return output.to(call.query.dtype)

    def random_keys(self, place: int, sinks: np.ndarray, visible: np.ndarray) -> np.ndarray:
        """[head] a seeded key that is not the sink and that as many queries see as a sink; -1 if
        there is none."""
        n_seeing = (visible & ~np.eye(len(visible), dtype=bool)).sum(0)
        candidates = np.flatnonzero(n_seeing >= self.n_queries)
        bits = np.random.PCG64([*self.seeds, place]).random_raw(len(sinks))
        keys = []
        for sink, number in zip(sinks, bits, strict=True):
            left = candidates[candidates != sink]
            keys.append(left[int(number) % len(left)] if len(left) else -1)
        return np.array(keys)

    def edit(
        self, place: int, variants: Sequence[tuple[str, str]], keys: Sequence[Tensor]
    ) -> LayerEdit:
        """variants: kind and name of ON, one per row. keys: [head] of each row."""
        of_other = None
        if self.other is not None:
            values = self.other.layers[place].values
            of_other = torch.stack([values[on] for _, on in variants])
        return LayerEdit([kind for kind, _ in variants], torch.stack(list(keys)), of_other)

    def changes(
        self, call: Call, text: Text, keys: dict[str, np.ndarray], place: int
    ) -> dict[tuple[str, str], np.ndarray]:
        """By variant, [head]: sqrt(sum_i |W_O (o'_i - o_i)|^2 / sum_i |W_O o_i|^2) over the queries
        i except the key itself; the denominator is over the same queries."""
        changes = {}
        written = text.writing.squares(text.output)
        for kind, on in self.variants:
            key = torch.from_numpy(keys[on])
            if kind == REMOVE:
                edit = self.edit(place, [(kind, on)], [key.to(call.query.device)])
                removed = edited_output(call, edit)[0].double().cpu()
                squares = text.writing.squares(removed - text.output)
            else:
                other = self.other.layers[place].values[on] if self.other is not None else None
                squares = text.squares_of_value(kind, key, other)
            counted = torch.arange(written.shape[1]) != key[:, None]  # [head, query]
            relative = ((squares * counted).sum(1) / (written * counted).sum(1)).sqrt()
            changes[kind, on] = relative.masked_fill(key < 0, torch.nan).numpy()
        return changes


@dataclass(frozen=True)
class Text:
    """One layer in one text, float64, on the CPU. rows: [head, query, key]. values: [head, key, d].
    output: [head, query, d], their product, before gates."""

    writing: Writing
    rows: Tensor
    values: Tensor
    output: Tensor

    def squares_of_value(self, kind: str, key: Tensor, other: Tensor | None) -> Tensor:
        """[head, query] square of the norm by which what a head writes changes if its key [head]
        has another value. other: [head, d], the value for OTHER."""
        head = torch.arange(len(key))
        value = self.values[head, key]
        new = torch.zeros_like(value)
        if kind == MEAN:
            new = (self.values.sum(1) - value) / max(self.values.shape[1] - 1, 1)
        if kind == OTHER and other is not None:
            new = other.double().cpu()
        sent = self.rows[head, :, key]  # [head, query]
        return sent.square() * self.writing.squares((new - value)[:, None])
