"""Which keys are sinks: attention to the few candidates of a head, or of the head mean, is computed
once more, query by query. Only the kernels read how many there are: nothing waits for the GPU."""

from __future__ import annotations

import triton
import triton.language as tl

from sinkscope.extract.kernels.edges import attention_tile, head_at
from sinkscope.extract.kernels.packs import (
    Candidates,
    Counts,
    Logits,
    Matrix,
    SinkKeys,
    SinkStatistics,
    Sizes,
    Thresholds,
)
from sinkscope.extract.kernels.tiles import FIXED, add_fixed


@triton.jit
def candidates_kernel(
    received, of_all_heads, thresholds: Thresholds, counts: Counts, candidates: Candidates,
    sizes: Sizes, n_keys: tl.constexpr,
):  # fmt: skip
    """Write `candidates` of one row, a head or the head mean, without steady queries so far. Grid:
    (row, layer * batch).

    received: int64 [.., head, key], of_all_heads: float64 [.., key], its sum over heads; in steps
    of 1 / FIXED. n_keys: keys that are read at a time.
    """
    row, n_heads = tl.program_id(0), sizes.n_heads
    lb = tl.program_id(1).to(tl.int64)
    b, n_tokens = lb % sizes.n_batch, sizes.n_tokens
    at_row = (lb * (n_heads + 1) + row) * n_tokens
    n = tl.full([], 0, tl.int32)
    for start in range(0, n_tokens, n_keys):
        key = start + tl.arange(0, n_keys)
        inside = key < n_tokens
        at_head = received + (lb * n_heads + row) * n_tokens + key
        of_head = tl.load(at_head, mask=inside & (row < n_heads), other=0).to(tl.float64)
        at_mean = of_all_heads + lb * n_tokens + key
        of_mean = tl.load(at_mean, mask=inside & (row == n_heads), other=0.0) / n_heads
        of_key = b * sizes.n_padded + key
        n_queries = tl.load(counts.n_queries + of_key, mask=inside, other=1.0).to(tl.float64)
        limit = tl.load(thresholds.limit + of_key, mask=inside, other=float("inf"))
        is_candidate = (of_head + of_mean) * (1.0 / FIXED) / n_queries > limit.to(tl.float64)
        tl.store(candidates.n_steady + at_row + key, tl.where(is_candidate, 0, -1), mask=inside)
        flag = is_candidate.to(tl.int32)
        place = n + tl.cumsum(flag, 0) - flag
        tl.store(candidates.keys + at_row + place, key, mask=is_candidate)
        n += tl.sum(flag, 0)
    tl.store(candidates.n + lb * (n_heads + 1) + row, n)


@triton.jit
def steadiness_kernel(
    queries: Matrix, keys: Matrix, logits: Logits, log_sums, uniform, candidates: Candidates,
    sizes: Sizes, constants: tl.constexpr, n_queries: tl.constexpr, n_keys: tl.constexpr,
):  # fmt: skip
    """Add to candidates.n_steady the queries of one block of n_queries, for one row of candidates,
    n_keys at a time. Grid: (block, row, layer * batch).

    uniform: as in packs.Thresholds.
    """
    n_heads, n_tokens = sizes.n_heads, sizes.n_tokens
    row = n_heads - tl.program_id(1)  # the head mean, which takes longest, begins first
    lb = tl.program_id(2).to(tl.int64)
    b = lb % sizes.n_batch
    n = tl.load(candidates.n + lb * (n_heads + 1) + row)
    at_row = (lb * (n_heads + 1) + row) * n_tokens
    first_head = tl.where(row == n_heads, 0, row)
    n_added = tl.where(row == n_heads, n_heads, 1)
    last_query = tl.program_id(0) * n_queries + n_queries - 1
    query = tl.program_id(0) * n_queries + tl.arange(0, n_queries)
    for start in range(0, n, n_keys):
        place = start + tl.arange(0, n_keys)
        key = tl.load(candidates.keys + at_row + place, mask=place < n, other=-1)
        stop_head = first_head + n_added
        if constants.is_causal:  # the candidates are in order: do these queries see the first?
            lowest = tl.load(candidates.keys + at_row + start)
            stop_head = tl.where(lowest <= last_query, stop_head, first_head)
        total = tl.zeros([n_keys, n_queries], tl.float32)
        for h in range(first_head, stop_head):
            head = head_at(h, queries, keys, log_sums, sizes, constants)
            total += attention_tile(head, key, query, logits, n_tokens, constants)
        at_query = uniform + b * sizes.n_padded + query
        even = tl.load(at_query, mask=query < n_tokens, other=float("inf"))
        n_steady = tl.sum((total > (even * n_added)[None, :]).to(tl.int32), 1)
        at_key = candidates.n_steady + at_row + key
        tl.atomic_add(at_key, n_steady, mask=(place < n) & (n_steady > 0), sem="relaxed")


@triton.jit
def decide_kernel(
    candidates: Candidates, of_all_heads, cosines, counted, first, thresholds: Thresholds,
    counts: Counts, statistics: SinkStatistics, sinks: SinkKeys, sizes: Sizes,
    by_state: tl.constexpr, n_keys: tl.constexpr,
):  # fmt: skip
    """Write is_head_sink of one head, or, in the row of the head mean, the other statistics and
    `sinks`. Grid: (row, layer * batch).

    cosines: int64 [layer], addresses of float32 [batch, key], of each state to that of key 0; 0
    where the states are not known. counted, first: as in `edges.neighbours_kernel`. by_state:
    whether is_sink follows the states. n_keys: keys that are read at a time.
    """
    row, n_heads = tl.program_id(0), sizes.n_heads
    lb = tl.program_id(1).to(tl.int64)
    layer, b = lb // sizes.n_batch, lb % sizes.n_batch
    n_tokens = sizes.n_tokens
    address = tl.load(cosines + layer)
    cosine_of = address.to(tl.pointer_type(tl.float32)) + b * n_tokens
    of_first = tl.load(first + b).to(tl.int32)
    received = tl.full([], 0.0, tl.float64)
    n_sinks = tl.full([], 0, tl.int32)
    n_first = tl.full([], 0, tl.int32)  # 1 if key 0 is a sink
    n_counted = tl.full([], 0, tl.int32)
    for start in range(0, n_tokens, n_keys):
        key = start + tl.arange(0, n_keys)
        inside = key < n_tokens
        of_key = b * sizes.n_padded + key
        n_queries = tl.load(counts.n_queries + of_key, mask=inside, other=0.0)
        at_row = (lb * (n_heads + 1) + row) * n_tokens + key
        n_steady = tl.load(candidates.n_steady + at_row, mask=inside, other=-1)
        # In float64, whose quotient is rounded as float32 rounds it.
        steady = (n_steady.to(tl.float64) / n_queries.to(tl.float64)).to(tl.float32)
        is_steady = (n_steady >= 0) & (steady >= thresholds.share)
        if row < n_heads:
            at_head = statistics.is_head_sink + (lb * n_heads + row) * n_tokens + key
            tl.store(at_head, is_steady.to(tl.uint8), mask=inside)
        else:
            at = lb * n_tokens + key
            cosine = tl.load(cosine_of + key, mask=inside & (address != 0), other=0.0)
            is_close = (tl.abs(cosine) > thresholds.cosine) & (n_queries > 0)
            is_sink = is_close if by_state else is_steady
            tl.store(statistics.by_attention + at, is_steady.to(tl.uint8), mask=inside)
            tl.store(statistics.by_state + at, is_close.to(tl.uint8), mask=inside)
            tl.store(statistics.is_sink + at, is_sink.to(tl.uint8), mask=inside)
            steady = tl.where(n_steady >= 0, steady, float("nan"))
            tl.store(statistics.steady + at, steady, mask=inside)
            received += tl.sum(tl.load(of_all_heads + at, mask=inside & is_sink, other=0.0), 0)
            counts_here = tl.load(counted + of_key, mask=inside, other=0.0) != 0.0
            n_counted += tl.sum((counts_here & ~is_sink).to(tl.int32), 0)
            n_first += tl.sum((is_sink & (key == of_first)).to(tl.int32), 0)
            flag = is_sink.to(tl.int32)
            place = n_sinks + tl.cumsum(flag, 0) - flag
            tl.store(sinks.keys + lb * n_tokens + place, key, mask=is_sink)
            n_sinks += tl.sum(flag, 0)
    if row == n_heads:
        if n_first == 0:
            tl.store(sinks.keys + lb * n_tokens + n_sinks, of_first)
        tl.store(sinks.n_sinks + lb, n_sinks)
        tl.store(sinks.n_excluded + lb, n_sinks + 1 - n_first)
        received = received * (1.0 / FIXED) / n_heads
        tl.store(sinks.received + lb, received)
        tl.store(sinks.excluded + lb, tl.full([], 0, tl.int64))
        counted_or_nan = tl.where(n_counted > 0, n_counted.to(tl.float64), float("nan"))
        tl.store(sinks.n_counted + lb, counted_or_nan)
        mass = received / tl.load(counts.n_real + b)
        tl.store(statistics.sink_mass + lb, mass.to(tl.float32))


@triton.jit
def excluded_kernel(
    queries: Matrix, keys: Matrix, logits: Logits, log_sums, sinks: SinkKeys, sizes: Sizes,
    constants: tl.constexpr, n_queries: tl.constexpr, n_keys: tl.constexpr,
):  # fmt: skip
    """Add to sinks.excluded the attention to sinks from queries that are sinks or first, in one
    head. Grid: (any number of programs that share the queries, head, layer * batch)."""
    h, n_tokens = tl.program_id(1), sizes.n_tokens
    lb = tl.program_id(2).to(tl.int64)
    n_sinks = tl.load(sinks.n_sinks + lb)
    n_excluded = tl.where(n_sinks > 0, tl.load(sinks.n_excluded + lb), 0)
    at = sinks.keys + lb * n_tokens
    head = head_at(h, queries, keys, log_sums, sizes, constants)
    first, step = tl.program_id(0) * n_queries, tl.num_programs(0) * n_queries
    for start in range(first, n_excluded, step):
        place = start + tl.arange(0, n_queries)
        query = tl.load(at + place, mask=place < n_excluded, other=n_tokens)
        received = tl.zeros([n_queries], tl.float32)
        for start_key in range(0, n_sinks, n_keys):
            place = start_key + tl.arange(0, n_keys)
            key = tl.load(at + place, mask=place < n_sinks, other=-1)
            p = attention_tile(head, key, query, logits, n_tokens, constants)
            received += tl.sum(p, 0)
        total = tl.sum(received, 0) / sizes.n_heads
        add_fixed(sinks.excluded + lb, total, total > 0.0)
