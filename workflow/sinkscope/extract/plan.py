"""The plan of a reduction of each layer's attention, and its results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor

from sinkscope.declarations.statistic import Statistic
from sinkscope.sink_rule import SinkRule

# The smallest map, one cell: what a plan has that wants none.
NO_MAPS: dict[str, Any] = {"map_exact": 0, "map_cells": 1}


@dataclass(frozen=True)
class Plan:
    """The statistics to compute for every layer of one forward pass.

    real: [batch, token] bool, False at padding. key_sets: [batch, token, key_set] bool, the keys
    whose mass is wanted. sinks: [batch, token] bool, the keys that the second form of the local
    mass leaves out; None: the sinks of each layer by the rule. rule: detects the sinks of each
    layer. window: how many first queries `window_score` counts. map_exact, map_cells: head-mean
    maps are exact up to map_exact (or map_cells) tokens, block averages of map_cells beyond;
    NO_MAPS for none. heads: (layer, head) of single heads whose map is wanted too. coarse:
    whether coarse maps of all heads are wanted (extract.coarse). offsets: key
    minus query of the diagonals that are wanted of every head. by_query: also keep the masses of
    every single query. weighted: also weigh attention by the norms of the values. added: statistics
    beside those of LayerStatistics. block: query rows per block (None: as many as fit the CPU's
    cache).
    """

    real: Tensor
    key_sets: Tensor
    sinks: Tensor | None = None
    rule: SinkRule | None = None
    window: int = 64
    map_exact: int = 512
    map_cells: int = 256
    heads: tuple[tuple[int, int], ...] = ()
    coarse: bool = False
    offsets: tuple[int, ...] = ()
    by_query: bool = False
    weighted: bool = False
    added: tuple[Statistic, ...] = ()
    block: int | None = None

    @property
    def has_maps(self) -> bool:
        return self.map_cells > 1

    def exact(self, n_tokens: int) -> bool:
        """Whether maps of n_tokens tokens are exact, not block averages."""
        return n_tokens <= max(self.map_exact, self.map_cells)

    def n_cells(self, n_tokens: int) -> int:
        """Rows and columns of the maps of n_tokens tokens."""
        return n_tokens if self.exact(n_tokens) else self.map_cells

    def rank(self) -> Tensor:
        """[batch, token] position within the document; padding in front does not count."""
        return self.real.long().cumsum(1) - 1

    def window_rows(self) -> Tensor:
        """[batch, token] bool: the first `window` queries of every document."""
        return self.real & (self.rank() < self.window)


class Facts(NamedTuple):
    """Facts of a pass that its cells record. layer_of: the model's layer, per call. paths: dispatch
    of the layers: triton, torch."""

    plan: Plan
    layer_of: tuple[int, ...]
    paths: tuple[str, ...]


@dataclass(frozen=True)
class LayerStatistics:
    """The statistics of one layer, on the device of the model; or of all layers, stacked along a
    leading axis [layer].

    max_key, max_value: [batch, query] argmax over keys of the head mean (ties to the lowest key)
    and its value; second_value: that of the second key, 0 where there is none. sink_score,
    window_score: [batch, head, key] mean attention from the queries that can see the key (all; the
    first `window`), NaN where none can. mass, strict_mass: [batch, key_set]. entropy: [batch,
    head], of each row (divided by its sum) over the log of its number of visible keys. row_sum:
    [batch, head], 1 for softmax. over_half: [batch, head], fraction of queries (excluding the
    first) that give key 0 more than half. local, local_no_sinks: [batch, head, width]. diagonals:
    [batch, head, query, offset], 0 without such a key. map: [batch, cell, cell], head mean.
    head_maps: [batch, wanted head, cell, cell].

    With by_query, head means of every query: query_mass [batch, query, key_set], query_local and
    query_local_no_sinks [batch, query] within the widest window. With weighted: norm_mass [batch,
    key_set], the mass with A[i,j] * norm(v_j) instead of A[i,j], divided by its sum over the row
    of each head (Kobayashi et al. 2020). added: [batch, head, statistic], those of the plan.

    With a rule: is_sink, by_attention, by_state: [batch, key] bool, by the chosen rule and by each
    of them; is_head_sink: [batch, head, key] bool, by the attention of one head. steady: [batch,
    key], fraction of the queries seeing the key that give it more than uniform attention; NaN for
    keys with too little attention to be a sink. sink_mass, strict_sink_mass: [batch], of all keys
    in is_sink. state_norm, state_cosine: [batch, key], see LayerState; NaN where the state is not
    known. value_norm: [batch, key], L2, mean over key-value heads.

    coarse_map: [batch, head, cell, cell], see extract.coarse; None where the plan wants none.

    virtual_sink: [batch, head], mean attention on a virtual key (a learned sink, or the key of
    softmax-off-by-one); NaN without one. None from kernels, which support none. gate: [batch,
    head], mean factor of a gate on the head's output; NaN without one.
    """

    max_key: Tensor
    max_value: Tensor
    second_value: Tensor
    sink_score: Tensor
    window_score: Tensor
    mass: Tensor
    strict_mass: Tensor
    entropy: Tensor
    row_sum: Tensor
    over_half: Tensor
    local: Tensor
    local_no_sinks: Tensor
    diagonals: Tensor
    map: Tensor
    head_maps: Tensor
    coarse_map: Tensor | None = None
    query_mass: Tensor | None = None
    query_local: Tensor | None = None
    query_local_no_sinks: Tensor | None = None
    norm_mass: Tensor | None = None
    added: Tensor | None = None
    is_sink: Tensor | None = None
    by_attention: Tensor | None = None
    by_state: Tensor | None = None
    is_head_sink: Tensor | None = None
    steady: Tensor | None = None
    sink_mass: Tensor | None = None
    strict_sink_mass: Tensor | None = None
    state_norm: Tensor | None = None
    state_cosine: Tensor | None = None
    value_norm: Tensor | None = None
    virtual_sink: Tensor | None = None
    gate: Tensor | None = None
