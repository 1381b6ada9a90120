"""One pass over a text: the role of every head, and how much edits change what it writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from sinkscope.experiments.head_roles.constants import KINDS, ON, OTHER, RANDOM, SINK
from sinkscope.experiments.head_roles.edits import LayerEdit, edited_output, values_of
from sinkscope.experiments.head_roles.roles import Heads, heads_of
from sinkscope.extract.edit import attention_rows, visible_keys
from sinkscope.extract.masks import Call


@dataclass(frozen=True)
class Layer:
    """One layer in one text. keys: by name of ON, [head], -1 where there is none. values: by name
    of ON, [head, d], of these keys. changes: by kind and name of ON, [head], the relative change of
    what the head writes."""

    heads: Heads
    keys: dict[str, np.ndarray]
    values: dict[str, Tensor]
    changes: dict[tuple[str, str], np.ndarray]


@dataclass
class Reading:
    """Called in place of the attention of every layer, it returns its output and keeps a Layer.

    triangles: of each layer, [head, d, d] of roles.triangle_of. other: the reading of another text.
    """

    triangles: Sequence[Tensor]
    n_queries: int
    seeds: Sequence[int]
    other: Reading | None
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
        of_text, sent = (t[0].double().cpu() for t in (rows, values))
        heads = heads_of(of_text, sent, self.triangles[place], visible, self.n_queries)
        keys = {SINK: heads.key, RANDOM: self.random_keys(place, heads.key, visible)}
        at = {on: torch.from_numpy(of).to(values.device) for on, of in keys.items()}
        head = torch.arange(values.shape[1], device=values.device)
        layer = Layer(
            heads,
            keys,
            {on: values[0, head, of.clamp(min=0)] for on, of in at.items()},
            self.changes(call, output, at, place),
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
        self, call: Call, output: Tensor, keys: dict[str, Tensor], place: int
    ) -> dict[tuple[str, str], np.ndarray]:
        """By variant, [head]: sqrt(sum_i |W_O (o'_i - o_i)|^2 / sum_i |W_O o_i|^2) over the queries
        i except the key itself; the denominator is over the same queries."""
        variants = self.variants
        edit = self.edit(place, variants, [keys[on] for _, on in variants])
        triangle = self.triangles[place].to(output.device, output.dtype).mT
        change = (edited_output(call, edit) - output) @ triangle
        query = torch.arange(output.shape[2], device=output.device)
        counted = query != edit.keys[..., None]  # [row, head, query]
        squares = [
            (t.double().square().sum(-1) * counted).sum(-1) for t in (change, output @ triangle)
        ]
        relative = (squares[0] / squares[1]).sqrt()
        relative[edit.keys < 0] = torch.nan
        return dict(zip(variants, relative.cpu().numpy(), strict=True))
