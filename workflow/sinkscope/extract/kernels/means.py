"""From head means to the largest keys, strict masses and maps."""

from __future__ import annotations

import triton
import triton.language as tl

from sinkscope.extract.kernels.tiles import add_fixed

LAST_KEY = tl.constexpr(0x7FFFFFFF)


@triton.jit
def means_kernel(
    MEANS, IN_SETS, OTHERS, OF_ROWS, OF_KEYS, BEST, SECOND, STRICT, SUMS,
    start, stop, n_rows, first_piece, n_row_pieces, n_pieces, n_tokens, n_batch, n_padded, n_sets,
    CAUSAL: tl.constexpr, HAS_MAP: tl.constexpr, ROWS: tl.constexpr, KEYS: tl.constexpr,
    AT_ONCE: tl.constexpr, SPAN: tl.constexpr, SETS: tl.constexpr,
):  # fmt: skip
    """A few queries, and a span of keys. One warp, which waits for no other.

    OF_ROWS, OF_KEYS: as in `pieces.Pieces`, of at most ROWS queries, of which a program takes one
    piece, and of at most KEYS keys, of which it takes SPAN pieces, AT_ONCE at a time.
    MEANS [.., n_rows, key]: head means of the queries from start to stop; where a causal query
    sees no key they may be anything. IN_SETS, OTHERS: as in `inputs.Inputs`.
    BEST [.., query]: largest mean, ties to the lowest key, packed. SECOND, alike: bits of the
    second largest mean. STRICT [.., key_set], in steps:
    mass on a set from the queries that are not in it nor first. SUMS [.., row piece, key piece], 0
    before: of head means; a row piece of which some queries were seen before goes on.
    """
    # Those that see most keys begin first.
    row_piece = first_piece + tl.num_programs(0) - 1 - tl.program_id(0)
    lb = tl.program_id(2).to(tl.int64)
    b = lb % n_batch
    begin, end = tl.load(OF_ROWS + 3 * row_piece), tl.load(OF_ROWS + 3 * row_piece + 1)
    n_seen = tl.load(OF_ROWS + 3 * row_piece + 2)
    goes_on = begin < start
    begin, end = tl.maximum(begin, start), tl.minimum(end, stop)
    query = begin + tl.arange(0, ROWS)
    inside_query = query < end
    row = MEANS + (lb * n_rows + query - start) * n_tokens
    n_words = tl.cdiv(n_sets, 32)
    place = tl.arange(0, SETS)
    strict = tl.zeros([SETS], tl.float32)
    best = tl.zeros([ROWS], tl.float32)
    best_key = tl.zeros([ROWS], tl.int32)
    second = tl.zeros([ROWS], tl.float32)
    at_sums = SUMS + (lb * n_row_pieces + row_piece) * n_pieces
    first_seen = tl.program_id(1) * SPAN
    for first in range(first_seen, tl.minimum(first_seen + SPAN, n_seen), AT_ONCE):
        piece = first + tl.arange(0, AT_ONCE)
        if HAS_MAP:
            begins = tl.load(OF_KEYS + 2 * piece, mask=piece < n_pieces, other=0)
            ends = tl.load(OF_KEYS + 2 * piece + 1, mask=piece < n_pieces, other=0)
            key = begins[:, None] + tl.arange(0, KEYS)[None, :]
            inside_key = tl.reshape((key < ends[:, None]).to(tl.int32), [AT_ONCE * KEYS]) != 0
            key = tl.max_contiguous(tl.reshape(key, [AT_ONCE * KEYS]), KEYS)
        else:  # a key is a piece
            key = piece
            inside_key = key < n_pieces
        seen = inside_query[:, None] & inside_key[None, :]
        if CAUSAL:
            seen = seen & (key[None, :] <= query[:, None])
        mean = tl.load(row[:, None] + key[None, :], mask=seen, other=0.0)
        value = tl.max(mean, 1)
        if tl.max((value > second).to(tl.int32), 0) != 0:  # seldom after the first keys
            lowest = tl.min(tl.where(mean == value[:, None], key[None, :], n_tokens), 1)
            behind = tl.max(tl.where(key[None, :] == lowest[:, None], 0.0, mean), 1)
            better = value > best
            second = tl.maximum(second, tl.maximum(behind, tl.where(better, best, value)))
            best = tl.where(better, value, best)
            best_key = tl.where(better, lowest, best_key)
        for word in range(n_words):
            at = (b * n_words + word) * n_padded
            others = tl.load(OTHERS + at + query, mask=inside_query, other=0)
            members = tl.load(IN_SETS + at + key, mask=inside_key, other=0)
            for s in range(32 * word, tl.minimum(32 * word + 32, n_sets)):
                # Not converted: that would take a unit of which there are few.
                other = tl.where((others >> (s % 32)) & 1 != 0, 1.0, 0.0)
                member = tl.where((members >> (s % 32)) & 1 != 0, 1.0, 0.0)
                mass = tl.sum(tl.sum(mean * other[:, None], 0) * member, 0)
                strict += tl.where(place == s, mass, 0.0)
        if HAS_MAP:
            sums = tl.sum(tl.reshape(tl.sum(mean, 0), [AT_ONCE, KEYS]), 1)
            if goes_on:
                sums += tl.load(at_sums + piece, mask=piece < n_pieces, other=0.0)
            tl.store(at_sums + piece, sums, mask=piece < n_pieces)
    if first_seen < n_seen:
        packed = best.to(tl.int32, bitcast=True).to(tl.int64) << 32
        packed = packed | (-best_key + LAST_KEY).to(tl.int64)
        at_query = lb * n_tokens + query
        other = tl.atomic_max(BEST + at_query, packed, mask=inside_query, sem="relaxed")
        # Of two programs that meet here, the one with the smaller largest mean loses.
        other = (other >> 32).to(tl.int32).to(tl.float32, bitcast=True)
        second = tl.maximum(second, tl.minimum(other, best))
        bits = second.to(tl.int32, bitcast=True).to(tl.int64)
        tl.atomic_max(SECOND + at_query, bits, mask=inside_query, sem="relaxed")
        add_fixed(STRICT + lb * n_sets + place, strict, place < n_sets)
