"""From head means to largest keys, strict masses and maps."""

from __future__ import annotations

import triton
import triton.language as tl

LAST_KEY = tl.constexpr(0x7FFFFFFF)


@triton.jit
def keep_best(best, mean, key, query, inside):
    """Largest key of every query, ties to the lowest: [query, key] head means, keys in order."""
    value, place = tl.max(mean, axis=1, return_indices=True, return_indices_tie_break_left=True)
    packed = value.to(tl.int32, bitcast=True).to(tl.int64) << 32
    packed = packed | (-(tl.min(key, axis=0) + place) + LAST_KEY).to(tl.int64)
    tl.atomic_max(best + query, packed, mask=inside, sem="relaxed")


@triton.jit
def means_kernel(
    MEANS, MEMBERS, OTHERS, BEST, STRICT, ROWS, start, stop, n_rows, first_block, n_blocks,
    n_tokens, n_batch, n_padded, n_sets,
    CAUSAL: tl.constexpr, HAS_ROWS: tl.constexpr, BQ: tl.constexpr, BK: tl.constexpr,
    SETS: tl.constexpr,
):  # fmt: skip
    """A block of queries (a cell of the map, if ROWS are wanted) and one of keys.

    MEANS [.., n_rows, key]: head means of the queries from start to stop; where a causal query
    sees no key they may be anything. STRICT [.., block, key block, key_set]: mass on a set from the
    queries that are not in it nor first. ROWS [.., block, key]: sums over the block's queries.
    A block of which some queries were seen before goes on from what is there.
    """
    block = first_block + tl.program_id(0)
    lb = tl.program_id(2).to(tl.int64)
    b = lb % n_batch
    begin, end = block * n_tokens // n_blocks, (block + 1) * n_tokens // n_blocks
    goes_on = begin < start
    begin, end = tl.maximum(begin, start), tl.minimum(end, stop)
    key = tl.program_id(1) * BK + tl.arange(0, BK)
    inside_key = key < n_tokens
    column = tl.zeros([BK], tl.float32)
    place = tl.arange(0, SETS)
    strict = tl.zeros([SETS], tl.float64)
    if CAUSAL and tl.program_id(1) * BK >= end:  # these keys come later than all queries
        end = begin
    for first in range(begin, end, BQ):
        query = first + tl.arange(0, BQ)
        inside = query < end
        seen = inside[:, None] & inside_key[None, :]
        if CAUSAL:
            seen = seen & (key[None, :] <= query[:, None])
        at = MEANS + (lb * n_rows + query[:, None] - start) * n_tokens + key[None, :]
        mean = tl.load(at, mask=seen, other=0.0)
        keep_best(BEST + lb * n_tokens, mean, key, query, inside)
        column += tl.sum(mean, 0)
        for s in range(n_sets):
            row = (b * n_sets + s) * n_padded
            member = tl.load(MEMBERS + row + key, mask=inside_key, other=0.0)
            other = tl.load(OTHERS + row + query, mask=inside, other=0.0)
            mass = tl.sum(tl.sum(mean * member[None, :], 1).to(tl.float64) * other, 0)
            strict += tl.where(place == s, mass, 0.0)
    at = STRICT + ((lb * n_blocks + block) * tl.num_programs(1) + tl.program_id(1)) * n_sets + place
    if goes_on:
        strict += tl.load(at, mask=place < n_sets, other=0.0)
    tl.store(at, strict, mask=place < n_sets)
    if HAS_ROWS:
        at = ROWS + (lb * n_blocks + block) * n_tokens + key
        if goes_on:
            column += tl.load(at, mask=inside_key, other=0.0)
        tl.store(at, column, mask=inside_key)


@triton.jit
def pool_kernel(
    ROWS, MAP, n_tokens, n_cells, WIDTH: tl.constexpr, CELLS: tl.constexpr,
):  # fmt: skip
    """MAP [.., cell, cell]: means over blocks of keys, of ROWS [.., cell, key], which are sums over
    blocks of queries. CELLS blocks of keys, each of at most WIDTH of them."""
    row = tl.program_id(0)
    lb = tl.program_id(2).to(tl.int64)
    cell = tl.program_id(1) * CELLS + tl.arange(0, CELLS)
    first, end = cell * n_tokens // n_cells, (cell + 1) * n_tokens // n_cells
    key = first[:, None] + tl.arange(0, WIDTH)[None, :]
    inside = (key < end[:, None]) & (cell < n_cells)[:, None]
    sums = tl.load(ROWS + (lb * n_cells + row) * n_tokens + key, mask=inside, other=0.0)
    n_queries = (row + 1) * n_tokens // n_cells - row * n_tokens // n_cells
    mean = tl.sum(sums.to(tl.float64), 1) / (n_queries * (end - first)).to(tl.float64)
    at = MAP + (lb * n_cells + row) * n_cells + cell
    tl.store(at, mean.to(tl.float32), mask=cell < n_cells)
