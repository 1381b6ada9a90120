"""Before and after the tiles: what rows are lowered by; from sums to what is kept."""

from __future__ import annotations

import triton
import triton.language as tl

from sinkscope.extract.kernels.logits import HIDDEN, LOG2E
from sinkscope.extract.kernels.tiles import FIXED


@triton.jit
def prepare_kernel(
    LSES, WEIGHTED, REAL, SUMS, SHARES, BROKEN, n_tokens, n_heads, n_batch, n_padded,
    HAS_NORMS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """SUMS [.., head, n_padded]: log-sum-exp of every row in units of log 2; where the row does
    not count, or sees nothing, so large that its attention is 0. SHARES: one over the mean norm.
    BROKEN [.., query]: 1 where the logits of a row that counts are no numbers."""
    query = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    h = tl.program_id(1)
    lb = tl.program_id(2).to(tl.int64)
    layer, b = lb // n_batch, lb % n_batch
    inside = query < n_tokens
    real = inside & (tl.load(REAL + b * n_tokens + query, mask=inside, other=0) != 0)
    row = (b * n_heads + h) * n_tokens + query
    lse_of = tl.load(LSES + layer).to(tl.pointer_type(tl.float32))
    nats = tl.load(lse_of + row, mask=real, other=0.0)
    broken = real & ((nats != nats) | (nats == float("inf")))
    tl.atomic_max(BROKEN + lb * n_tokens + query, broken.to(tl.int64), mask=broken, sem="relaxed")
    counts = real & (nats > HIDDEN) & (nats < float("inf"))
    at = (lb * n_heads + h) * n_padded + query
    tl.store(SUMS + at, tl.where(counts, nats * LOG2E, -HIDDEN), mask=query < n_padded)
    if HAS_NORMS:
        weighted_of = tl.load(WEIGHTED + layer).to(tl.pointer_type(tl.float32))
        norm = tl.load(weighted_of + row, mask=counts, other=1.0)
        tl.store(SHARES + at, 1.0 / norm, mask=query < n_padded)


@triton.jit
def scores_kernel(
    RECEIVED, ENTROPY, WINDOW_RECEIVED, N_QUERIES, N_WINDOW, SINK_SCORE, WINDOW_SCORE, PARTS,
    n_tokens, n_heads, n_batch, BLOCK: tl.constexpr,
):  # fmt: skip
    """Scores of a block of keys of one head, and what the block received in all.

    PARTS [.., head, block, 2]: fixed sums of received and of entropy.
    """
    key = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    h = tl.program_id(1)
    lb = tl.program_id(2).to(tl.int64)
    b = lb % n_batch
    inside = key < n_tokens
    row = (lb * n_heads + h) * n_tokens + key
    received = tl.load(RECEIVED + row, mask=inside, other=0)
    entropy = tl.load(ENTROPY + row, mask=inside, other=0)
    block = (lb * n_heads + h) * tl.num_programs(0) + tl.program_id(0)
    tl.store(PARTS + 2 * block, tl.sum(received, 0))
    tl.store(PARTS + 2 * block + 1, tl.sum(entropy, 0))
    n_queries = tl.load(N_QUERIES + b * n_tokens + key, mask=inside, other=1.0)
    score = received.to(tl.float64) * (1.0 / FIXED) / n_queries.to(tl.float64)
    tl.store(SINK_SCORE + row, score.to(tl.float32), mask=inside)
    in_window = tl.load(WINDOW_RECEIVED + row, mask=inside, other=0.0)
    n_window = tl.load(N_WINDOW + b * n_tokens + key, mask=inside, other=1.0)
    tl.store(WINDOW_SCORE + row, in_window / n_window, mask=inside)


@triton.jit
def pool_kernel(
    ROWS, MAP, n_tokens, n_cells, WIDTH: tl.constexpr, CELLS: tl.constexpr,
):  # fmt: skip
    """MAP [.., cell, cell]: means over blocks of keys, of ROWS fixed [.., cell, key], which are
    sums over blocks of queries. CELLS blocks of keys, each of at most WIDTH of them."""
    row = tl.program_id(0)
    lb = tl.program_id(2).to(tl.int64)
    cell = tl.program_id(1) * CELLS + tl.arange(0, CELLS)
    first, end = cell * n_tokens // n_cells, (cell + 1) * n_tokens // n_cells
    key = first[:, None] + tl.arange(0, WIDTH)[None, :]
    inside = (key < end[:, None]) & (cell < n_cells)[:, None]
    sums = tl.load(ROWS + (lb * n_cells + row) * n_tokens + key, mask=inside, other=0)
    n_queries = (row + 1) * n_tokens // n_cells - row * n_tokens // n_cells
    size = (n_queries * (end - first)).to(tl.float64)
    mean = tl.sum(sums, 1).to(tl.float64) * (1.0 / FIXED) / size
    at = MAP + (lb * n_cells + row) * n_cells + cell
    tl.store(at, mean.to(tl.float32), mask=cell < n_cells)
