"""Packs of kernel arguments: each is one argument, whose fields a kernel reads by name.

Triton (3.6 and 3.7) specializes each field of a NamedTuple as it does a single argument, so a pack
compiles to the code that its fields would. Packs of constants are one `tl.constexpr` each;
`tl.zeros` takes their fields only once they are assigned to a `tl.constexpr`. No argument may be
named `options`, as one of Triton's launcher is. A tensor descriptor must be an argument of its own,
and `do_not_specialize` does not reach into a tuple: `hopper.hopper_kernel`, which needs both, makes
packs of its arguments for its own functions.

The package docstring lists what the fields mean. Strides are in elements.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any, NamedTuple

from torch import Tensor


class Matrix(NamedTuple):
    """Queries, keys, values or output: [batch, head, token, d], contiguous along d. pointer: the
    tensor itself, or int64 [layer], the address of one such tensor per layer."""

    pointer: Tensor
    stride_batch: int
    stride_head: int
    stride_token: int


class Logits(NamedTuple):
    """What turns products of queries and keys into logits: mask [batch, head, query, key] and bias
    [batch, head, key]. If a call lacks one, another tensor is passed and not read."""

    scale: float
    least: float
    mask: Tensor
    stride_mask_batch: int
    stride_mask_head: int
    stride_mask_query: int
    stride_mask_key: int
    bias: Tensor
    stride_bias_batch: int
    stride_bias_head: int


class Sizes(NamedTuple):
    n_tokens: int
    n_heads: int
    n_batch: int
    n_padded: int


class Constants(NamedTuple):
    """Constants of a call. dtype: of queries and keys, in Triton. mask_kind: 0 no mask, 1 boolean,
    2 added to the logits. precision: of float32 products, as `tl.dot` names it."""

    dtype: Any
    d: int
    d_padded: int
    group: int
    is_causal: bool
    mask_kind: int
    has_bias: bool
    precision: str


class ForwardConstants(NamedTuple):
    """Constants of the forward kernel, whose tiles have n_queries x n_keys scores."""

    d_value: int
    d_value_padded: int
    has_norms: bool
    has_output: bool
    n_queries: int
    n_keys: int


class RowStatistics(NamedTuple):
    """[batch, head, query], one number per row; float32 except max_key, int64. log_sum_exp,
    max_logit: nats, -inf where a query sees no key. max_key: -1 there. entropy: nats."""

    log_sum_exp: Tensor
    max_logit: Tensor
    max_key: Tensor
    entropy: Tensor


class Normalizers(NamedTuple):
    """float32 [layer, batch, head, n_padded], one number per query."""

    log_sums: Tensor
    inverse_norms: Tensor


class KeySums(NamedTuple):
    """int64 [layer, batch, head, key] in steps of 1 / FIXED, 0 before a pass."""

    received: Tensor
    entropy: Tensor
    norm_received: Tensor


class QueryMaxima(NamedTuple):
    """int64 [layer, batch, query], 0 before a pass."""

    largest: Tensor
    second: Tensor
    broken: Tensor


class HeadMeans(NamedTuple):
    """means: float32 [layer, batch, n_rows, key] of the queries start, start + 1, ..."""

    means: Tensor
    start: int
    n_rows: int


class KeySets(NamedTuple):
    """int32 [batch, word, n_padded]: bit s % 32 of word s // 32 belongs to key set s. members: the
    sets that hold a key. strict_queries: the sets whose strict mass counts a query."""

    members: Tensor
    strict_queries: Tensor
    n_sets: int


class Segments(NamedTuple):
    """Segments of queries and of keys, as in `mean_tiles.MeanTiles`."""

    rows: Tensor
    keys: Tensor
    n_rows: int
    n_keys: int


class MeansConstants(NamedTuple):
    """Constants of the means kernel. n_queries, n_keys: most tokens per segment. at_once: key
    segments that a program reads together; span: key segments that it reads in all. n_sets: the
    number of key sets, rounded up to a power of two."""

    is_causal: bool
    has_map: bool
    n_queries: int
    n_keys: int
    at_once: int
    span: int
    n_sets: int


class Edges(NamedTuple):
    """near: float32 [layer, batch, head, block, 2, distance]; over_half: int32 [layer, batch, head,
    block]; diagonals: float32 [layer, batch, head, query, offset]; window_received: float32 [layer,
    batch, head, key]."""

    near: Tensor
    over_half: Tensor
    diagonals: Tensor
    window_received: Tensor


class Flags(NamedTuple):
    """A number per key, not 0 where the flag is set, of each layer and document. stride_layer: 0
    where all layers share the flags."""

    flags: Tensor
    stride_layer: int
    stride_batch: int


class Counts(NamedTuple):
    """Divisors of sums: float32 [batch, n_padded] queries that see a key, of all and of the window;
    float64 [batch] queries of the document, those with an entropy, all but the first."""

    n_queries: Tensor
    n_window_queries: Tensor
    n_real: Tensor
    n_entropy: Tensor
    n_later: Tensor


class Thresholds(NamedTuple):
    """What a sink exceeds, as in `sink_rule`. limit: float32 [batch, n_padded], average attention
    to a key. uniform: float32 [batch, n_padded], attention from a query that makes it steady.
    share: fraction of steady queries; cosine: of a state to that of key 0."""

    limit: Tensor
    uniform: Tensor
    share: float
    cosine: float


class Candidates(NamedTuple):
    """Keys that may be sinks by the attention that they receive. A row is a head; the last is the
    head mean. n_steady: int32 [layer, batch, row, key], queries that give the key more than uniform
    attention, -1 for other keys. keys: int32 [layer, batch, row, key], the candidates in order, of
    which there are n: int32 [layer, batch, row]."""

    n_steady: Tensor
    keys: Tensor
    n: Tensor


class SinkKeys(NamedTuple):
    """keys: int32 [layer, batch, key]; the first n_sinks are sinks, and the first n_excluded are
    these and key 0, the queries that the strict mass leaves out. n_sinks, n_excluded: int32 [layer,
    batch]. received: float64 [layer, batch], head mean of the attention to sinks, summed over
    queries; excluded: int64 in steps of 1 / FIXED, the part from the first n_excluded. n_counted:
    float64 [layer, batch], number of the other queries, NaN without any."""

    keys: Tensor
    n_sinks: Tensor
    n_excluded: Tensor
    received: Tensor
    excluded: Tensor
    n_counted: Tensor


# Statistics as in `plan.LayerStatistics`, under the same names; flags are uint8.
SinkStatistics = namedtuple(
    "SinkStatistics", "is_sink by_attention by_state is_head_sink steady sink_mass"
)
Summary = namedtuple(
    "Summary",
    "sink_score window_score row_sum entropy over_half local local_no_sinks max_key max_value "
    "second_value",
)
