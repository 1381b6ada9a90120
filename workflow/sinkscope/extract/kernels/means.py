"""The means kernel: from head means to the largest keys, strict masses and maps."""

from __future__ import annotations

import triton
import triton.language as tl

from sinkscope.extract.kernels.packs import HeadMeans, KeySets, QueryMaxima, Segments, Sizes
from sinkscope.extract.kernels.tiles import add_fixed

LAST_KEY = tl.constexpr(0x7FFFFFFF)


@triton.jit
def means_kernel(
    head_means: HeadMeans, sets: KeySets, segments: Segments, maxima: QueryMaxima, strict,
    tile_sums, sizes: Sizes, first_segment, constants: tl.constexpr,
):  # fmt: skip
    """One row segment x a span of key segments; one warp, which waits for no other. Grid: (row
    segment, span, layer * batch).

    head_means: where a causal query sees no key, they are not read. strict: int64 [.., key_set], in
    steps of 1 / FIXED. tile_sums: float32 [.., row segment, key segment], 0 before a pass; a row
    segment that an earlier range of queries began is added to. first_segment: the first row segment
    of these head means.
    """
    n_queries: tl.constexpr = constants.n_queries
    n_keys: tl.constexpr = constants.n_keys
    at_once: tl.constexpr = constants.at_once
    most_sets: tl.constexpr = constants.n_sets
    # The row segments whose queries see the most keys begin first.
    row_segment = first_segment + tl.num_programs(0) - 1 - tl.program_id(0)
    lb = tl.program_id(2).to(tl.int64)
    b, n_tokens, n_sets = lb % sizes.n_batch, sizes.n_tokens, sets.n_sets
    at_segment = segments.rows + 3 * row_segment
    begin, end, n_seen = tl.load(at_segment), tl.load(at_segment + 1), tl.load(at_segment + 2)
    goes_on = begin < head_means.start
    begin = tl.maximum(begin, head_means.start)
    end = tl.minimum(end, tl.minimum(head_means.start + head_means.n_rows, n_tokens))
    query = begin + tl.arange(0, n_queries)
    inside_query = query < end
    row = head_means.means + (lb * head_means.n_rows + query - head_means.start) * n_tokens
    n_words = tl.cdiv(n_sets, 32)
    set_index = tl.arange(0, most_sets)
    strict_mass = tl.zeros([most_sets], tl.float32)
    best = tl.zeros([n_queries], tl.float32)
    best_key = tl.zeros([n_queries], tl.int32)
    second = tl.zeros([n_queries], tl.float32)
    at_sums = tile_sums + (lb * segments.n_rows + row_segment) * segments.n_keys
    begin_seen = tl.program_id(1) * constants.span
    end_seen = tl.minimum(begin_seen + constants.span, n_seen)
    for first in range(begin_seen, end_seen, at_once):
        segment = first + tl.arange(0, at_once)
        inside_segment = segment < segments.n_keys
        if constants.has_map:
            begins = tl.load(segments.keys + 2 * segment, mask=inside_segment, other=0)
            ends = tl.load(segments.keys + 2 * segment + 1, mask=inside_segment, other=0)
            key = begins[:, None] + tl.arange(0, n_keys)[None, :]
            inside_key = (key < ends[:, None]).to(tl.int32)
            inside_key = tl.reshape(inside_key, [at_once * n_keys]) != 0
            key = tl.reshape(key, [at_once * n_keys])
            key = tl.max_contiguous(key, n_keys)
        else:  # every key is a segment
            key = segment
            inside_key = inside_segment
        seen = inside_query[:, None] & inside_key[None, :]
        if constants.is_causal:
            seen = seen & (key[None, :] <= query[:, None])
        mean = tl.load(row[:, None] + key[None, :], mask=seen, other=0.0)
        value = tl.max(mean, 1)
        if tl.max((value > second).to(tl.int32), 0) != 0:  # rare after the first keys
            lowest = tl.min(tl.where(mean == value[:, None], key[None, :], n_tokens), 1)
            behind = tl.max(tl.where(key[None, :] == lowest[:, None], 0.0, mean), 1)
            better = value > best
            second = tl.maximum(second, tl.maximum(behind, tl.where(better, best, value)))
            best = tl.where(better, value, best)
            best_key = tl.where(better, lowest, best_key)
        for word in range(n_words):
            at = (b * n_words + word) * sizes.n_padded
            strict_queries = tl.load(sets.strict_queries + at + query, mask=inside_query, other=0)
            members = tl.load(sets.members + at + key, mask=inside_key, other=0)
            for s in range(32 * word, tl.minimum(32 * word + 32, n_sets)):
                # Selected, not converted: a GPU converts fewer numbers per cycle.
                counted = tl.where((strict_queries >> (s % 32)) & 1 != 0, 1.0, 0.0)
                member = tl.where((members >> (s % 32)) & 1 != 0, 1.0, 0.0)
                mass = tl.sum(tl.sum(mean * counted[:, None], 0) * member, 0)
                strict_mass += tl.where(set_index == s, mass, 0.0)
        if constants.has_map:
            sums = tl.reshape(tl.sum(mean, 0), [at_once, n_keys])
            sums = tl.sum(sums, 1)
            if goes_on:
                sums += tl.load(at_sums + segment, mask=inside_segment, other=0.0)
            tl.store(at_sums + segment, sums, mask=inside_segment)
    if begin_seen < n_seen:
        # The value in the upper half; of equal values, the lowest key gives the largest number.
        packed = best.to(tl.int32, bitcast=True).to(tl.int64) << 32
        packed = packed | (-best_key + LAST_KEY).to(tl.int64)
        at_query = lb * n_tokens + query
        other = tl.atomic_max(maxima.largest + at_query, packed, mask=inside_query, sem="relaxed")
        # Of two spans of one query, that with the smaller largest mean gives the second.
        other = (other >> 32).to(tl.int32).to(tl.float32, bitcast=True)
        second = tl.maximum(second, tl.minimum(other, best))
        bits = second.to(tl.int32, bitcast=True).to(tl.int64)
        tl.atomic_max(maxima.second + at_query, bits, mask=inside_query, sem="relaxed")
        add_fixed(strict + lb * n_sets + set_index, strict_mass, set_index < n_sets)
