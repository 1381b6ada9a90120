"""Kernels before and after the tiles: normalizers of queries; from sums to statistics."""

from __future__ import annotations

import triton
import triton.language as tl

from sinkscope.extract.kernels.logits import HIDDEN, LOG2E
from sinkscope.extract.kernels.means import LAST_KEY
from sinkscope.extract.kernels.packs import (
    Counts,
    Edges,
    KeySets,
    KeySums,
    Normalizers,
    QueryMaxima,
    Sizes,
    Summary,
)
from sinkscope.extract.kernels.tiles import FIXED
from sinkscope.keys import LOCAL_WIDTHS

WIDTH = tl.constexpr(LOCAL_WIDTHS[-1])
LN2 = tl.constexpr(0.6931471805599453)


@triton.jit
def prepare_kernel(
    lses, norm_means, real, normalizers: Normalizers, broken, sizes: Sizes,
    has_norms: tl.constexpr, n_queries: tl.constexpr,
):  # fmt: skip
    """One block of n_queries queries of one head: writes normalizers and `broken`.

    lses, norm_means: int64 [layer], addresses of float32 [batch, head, token]. real: float32
    [batch, n_padded], 0 at padding. The log_sum of a query that does not count, or that sees no
    key, is so large that its attention is 0. Grid: (block, head, layer * batch).
    """
    query = tl.program_id(0) * n_queries + tl.arange(0, n_queries)
    h = tl.program_id(1)
    lb = tl.program_id(2).to(tl.int64)
    layer, b = lb // sizes.n_batch, lb % sizes.n_batch
    n_tokens, n_padded = sizes.n_tokens, sizes.n_padded
    inside = query < n_tokens
    is_real = inside & (tl.load(real + b * n_padded + query, mask=inside, other=0.0) != 0.0)
    row = (b * sizes.n_heads + h) * n_tokens + query
    lse = tl.load(lses + layer).to(tl.pointer_type(tl.float32))
    nats = tl.load(lse + row, mask=is_real, other=0.0)
    is_broken = is_real & ((nats != nats) | (nats == float("inf")))
    at_query = broken + lb * n_tokens + query
    tl.atomic_max(at_query, is_broken.to(tl.int64), mask=is_broken, sem="relaxed")
    counts = is_real & (nats > HIDDEN) & (nats < float("inf"))
    at = (lb * sizes.n_heads + h) * n_padded + query
    log_sum = tl.where(counts, nats * LOG2E, -HIDDEN)
    tl.store(normalizers.log_sums + at, log_sum, mask=query < n_padded)
    if has_norms:
        norm_mean = tl.load(norm_means + layer).to(tl.pointer_type(tl.float32))
        norm = tl.load(norm_mean + row, mask=counts, other=1.0)
        tl.store(normalizers.inverse_norms + at, 1.0 / norm, mask=query < n_padded)


@triton.jit
def summary_kernel(
    key_sums: KeySums, maxima: QueryMaxima, edges: Edges, counts: Counts, summary: Summary,
    sizes: Sizes, n_blocks, n_keys: tl.constexpr, blocks_at_once: tl.constexpr,
):  # fmt: skip
    """Statistics of one head of one layer; the first head also writes those of the head mean. Grid:
    (head, layer * batch).

    n_blocks: of queries, in edges.near. n_keys: keys that are read at a time.
    """
    h = tl.program_id(0)
    lb = tl.program_id(1).to(tl.int64)
    b = lb % sizes.n_batch
    n_tokens, n_padded = sizes.n_tokens, sizes.n_padded
    of_head = lb * sizes.n_heads + h
    received_sum = tl.full([], 0.0, tl.float64)
    entropy_sum = tl.full([], 0.0, tl.float64)
    for start in range(0, n_tokens, n_keys):
        key = start + tl.arange(0, n_keys)
        inside = key < n_tokens
        row = of_head * n_tokens + key
        received = tl.load(key_sums.received + row, mask=inside, other=0)
        received = received.to(tl.float64) * (1.0 / FIXED)
        received_sum += tl.sum(received, 0)
        entropy = tl.load(key_sums.entropy + row, mask=inside, other=0).to(tl.float64)
        entropy_sum += tl.sum(entropy, 0)
        n_queries = tl.load(counts.n_queries + b * n_padded + key, mask=inside, other=1.0)
        score = received / n_queries.to(tl.float64)
        tl.store(summary.sink_score + row, score.to(tl.float32), mask=inside)
        in_window = tl.load(edges.window_received + row, mask=inside, other=0.0)
        n_window = tl.load(counts.n_window_queries + b * n_padded + key, mask=inside, other=1.0)
        tl.store(summary.window_score + row, in_window / n_window, mask=inside)
        if h == 0:
            query = lb * n_tokens + key
            largest = tl.load(maxima.largest + query, mask=inside, other=0)
            broken = tl.load(maxima.broken + query, mask=inside, other=0) != 0
            value = (largest >> 32).to(tl.int32).to(tl.float32, bitcast=True)
            tl.store(summary.max_key + query, -(largest & LAST_KEY) + LAST_KEY, mask=inside)
            value = tl.where(broken, float("nan"), value)
            tl.store(summary.max_value + query, value, mask=inside)
            second = tl.load(maxima.second + query, mask=inside, other=0).to(tl.int32)
            second = second.to(tl.float32, bitcast=True)
            tl.store(summary.second_value + query, second, mask=inside)
    n_real = tl.load(counts.n_real + b)
    tl.store(summary.row_sum + of_head, (received_sum / n_real).to(tl.float32))
    # Where every row puts all of its attention on one key, rounding can make the entropy negative.
    mean_entropy = tl.maximum(entropy_sum * (-LN2 / FIXED), 0.0) / tl.load(counts.n_entropy + b)
    tl.store(summary.entropy + of_head, mean_entropy.to(tl.float32))
    # Columns: distances to all keys, then to the keys that are not sinks.
    column = tl.arange(0, 16)
    near = tl.zeros([16], tl.float64)
    over_half = tl.full([], 0, tl.int32)
    for start in range(0, n_blocks, blocks_at_once):
        block = start + tl.arange(0, blocks_at_once)
        row = (of_head * n_blocks + block[:, None]) * (2 * WIDTH + 2)
        inside = (block < n_blocks)[:, None] & (column < 2 * WIDTH + 2)[None, :]
        sums = tl.load(edges.near + row + column[None, :], mask=inside, other=0.0)
        near += tl.sum(sums.to(tl.float64), 0)
        at_block = edges.over_half + of_head * n_blocks + block
        over_half += tl.sum(tl.load(at_block, mask=block < n_blocks, other=0), 0)
    fraction = over_half.to(tl.float64) / tl.load(counts.n_later + b)
    tl.store(summary.over_half + of_head, fraction.to(tl.float32))
    for width in tl.static_range(1, WIDTH + 1):
        at = of_head * WIDTH + width - 1
        total = tl.sum(tl.where(column <= width, near, 0.0), 0) / n_real
        tl.store(summary.local + at, total.to(tl.float32))
        kept = (column > WIDTH) & (column <= WIDTH + 1 + width)
        total = tl.sum(tl.where(kept, near, 0.0), 0) / n_real
        tl.store(summary.local_no_sinks + at, total.to(tl.float32))


@triton.jit
def masses_kernel(
    received, strict, sets: KeySets, n_real, n_strict, mass, strict_mass, sizes: Sizes,
    n_keys: tl.constexpr,
):  # fmt: skip
    """Mass of one key set, and its strict mass: from the queries that are neither in the set nor
    first. Grid: (key set, layer * batch).

    received: float64 [.., key], over all heads, in steps of 1 / FIXED. n_real: float64 [batch];
    n_strict: float64 [batch, key_set], number of queries. mass, strict_mass: float32 [.., key_set].
    n_keys: keys that are read at a time.
    """
    s, n_sets = tl.program_id(0), tl.num_programs(0)
    lb = tl.program_id(1).to(tl.int64)
    b, n_tokens = lb % sizes.n_batch, sizes.n_tokens
    words = sets.members + (b * tl.cdiv(n_sets, 32) + s // 32) * sizes.n_padded
    total = tl.full([], 0.0, tl.float64)
    for start in range(0, n_tokens, n_keys):
        key = start + tl.arange(0, n_keys)
        word = tl.load(words + key, mask=key < n_tokens, other=0)
        member = ((word >> (s % 32)) & 1) != 0
        total += tl.sum(tl.load(received + lb * n_tokens + key, mask=member, other=0.0), 0)
    total = total / sizes.n_heads / FIXED / tl.load(n_real + b)
    strict_total = tl.load(strict + lb * n_sets + s).to(tl.float64) / FIXED
    strict_total = strict_total / tl.load(n_strict + b * n_sets + s)
    tl.store(mass + lb * n_sets + s, total.to(tl.float32))
    tl.store(strict_mass + lb * n_sets + s, strict_total.to(tl.float32))
