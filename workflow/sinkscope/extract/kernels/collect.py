"""Before and after the tiles: what rows are lowered by; from sums to statistics."""

from __future__ import annotations

import triton
import triton.language as tl

from sinkscope.extract.kernels.logits import HIDDEN, LOG2E
from sinkscope.extract.kernels.means import LAST_KEY
from sinkscope.extract.kernels.tiles import FIXED
from sinkscope.keys import LOCAL_WIDTHS

WIDTH = tl.constexpr(LOCAL_WIDTHS[-1])
LN2 = tl.constexpr(0.6931471805599453)


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
    real = inside & (tl.load(REAL + b * n_padded + query, mask=inside, other=0.0) != 0.0)
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
def summary_kernel(
    RECEIVED, ENTROPY, WINDOW_RECEIVED, NEAR, OVER_HALF, BEST, SECOND, BROKEN,
    N_QUERIES, N_WINDOW, N_REAL, N_ENTROPY, N_LATER,
    SINK_SCORE, WINDOW_SCORE, ROW_SUM, MEAN_ENTROPY, SHARE_OVER_HALF, LOCAL, LOCAL_NO_SINKS,
    MAX_KEY, MAX_VALUE, SECOND_VALUE,
    n_tokens, n_heads, n_batch, n_padded, n_blocks,
    BLOCK: tl.constexpr, BLOCKS: tl.constexpr,
):  # fmt: skip
    """All that one head of one layer comes to; the first head also says the max keys."""
    h = tl.program_id(0)
    lb = tl.program_id(1).to(tl.int64)
    b = lb % n_batch
    of_head = lb * n_heads + h
    received_sum = tl.full([], 0.0, tl.float64)
    entropy_sum = tl.full([], 0.0, tl.float64)
    for start in range(0, n_tokens, BLOCK):
        key = start + tl.arange(0, BLOCK)
        inside = key < n_tokens
        row = of_head * n_tokens + key
        received = tl.load(RECEIVED + row, mask=inside, other=0).to(tl.float64) * (1.0 / FIXED)
        received_sum += tl.sum(received, 0)
        entropy = tl.load(ENTROPY + row, mask=inside, other=0).to(tl.float64)
        entropy_sum += tl.sum(entropy, 0)
        n_queries = tl.load(N_QUERIES + b * n_padded + key, mask=inside, other=1.0)
        score = received / n_queries.to(tl.float64)
        tl.store(SINK_SCORE + row, score.to(tl.float32), mask=inside)
        in_window = tl.load(WINDOW_RECEIVED + row, mask=inside, other=0.0)
        n_window = tl.load(N_WINDOW + b * n_padded + key, mask=inside, other=1.0)
        tl.store(WINDOW_SCORE + row, in_window / n_window, mask=inside)
        if h == 0:
            best = tl.load(BEST + lb * n_tokens + key, mask=inside, other=0)
            broken = tl.load(BROKEN + lb * n_tokens + key, mask=inside, other=0) != 0
            value = (best >> 32).to(tl.int32).to(tl.float32, bitcast=True)
            tl.store(MAX_KEY + lb * n_tokens + key, -(best & LAST_KEY) + LAST_KEY, mask=inside)
            value = tl.where(broken, float("nan"), value)
            tl.store(MAX_VALUE + lb * n_tokens + key, value, mask=inside)
            second = tl.load(SECOND + lb * n_tokens + key, mask=inside, other=0).to(tl.int32)
            second = second.to(tl.float32, bitcast=True)
            tl.store(SECOND_VALUE + lb * n_tokens + key, second, mask=inside)
    n_real = tl.load(N_REAL + b)
    tl.store(ROW_SUM + of_head, (received_sum / n_real).to(tl.float32))
    # Rounding can leave the entropy of rows that are all on one key below 0.
    mean_entropy = tl.maximum(entropy_sum * (-LN2 / FIXED), 0.0) / tl.load(N_ENTROPY + b)
    tl.store(MEAN_ENTROPY + of_head, mean_entropy.to(tl.float32))
    # [distance] of all keys, then of those that are no sinks
    column = tl.arange(0, 16)
    near = tl.zeros([16], tl.float64)
    over_half = tl.full([], 0, tl.int32)
    for start in range(0, n_blocks, BLOCKS):
        block = start + tl.arange(0, BLOCKS)
        at = NEAR + (of_head * n_blocks + block[:, None]) * (2 * WIDTH + 2) + column[None, :]
        inside = (block < n_blocks)[:, None] & (column < 2 * WIDTH + 2)[None, :]
        near += tl.sum(tl.load(at, mask=inside, other=0.0).to(tl.float64), 0)
        at_block = OVER_HALF + of_head * n_blocks + block
        over_half += tl.sum(tl.load(at_block, mask=block < n_blocks, other=0), 0)
    share = over_half.to(tl.float64) / tl.load(N_LATER + b)
    tl.store(SHARE_OVER_HALF + of_head, share.to(tl.float32))
    for width in tl.static_range(1, WIDTH + 1):
        total = tl.sum(tl.where(column <= width, near, 0.0), 0) / n_real
        tl.store(LOCAL + of_head * WIDTH + width - 1, total.to(tl.float32))
        kept = (column > WIDTH) & (column <= WIDTH + 1 + width)
        total = tl.sum(tl.where(kept, near, 0.0), 0) / n_real
        tl.store(LOCAL_NO_SINKS + of_head * WIDTH + width - 1, total.to(tl.float32))


@triton.jit
def masses_kernel(
    RECEIVED, STRICT, IN_SETS, N_REAL, N_STRICT, MASS, STRICT_MASS,
    n_tokens, n_heads, n_batch, n_padded, BLOCK: tl.constexpr,
):  # fmt: skip
    """Mass of one key set, and that from the queries neither in the set nor the first.

    RECEIVED: float64 [.., key], of all heads together, in the steps of the other sums.
    STRICT: int64 [.., key_set], in the same steps.
    """
    s, n_sets = tl.program_id(0), tl.num_programs(0)
    lb = tl.program_id(1).to(tl.int64)
    b = lb % n_batch
    words = IN_SETS + (b * tl.cdiv(n_sets, 32) + s // 32) * n_padded
    mass = tl.full([], 0.0, tl.float64)
    for start in range(0, n_tokens, BLOCK):
        key = start + tl.arange(0, BLOCK)
        word = tl.load(words + key, mask=key < n_tokens, other=0)
        member = ((word >> (s % 32)) & 1) != 0
        mass += tl.sum(tl.load(RECEIVED + lb * n_tokens + key, mask=member, other=0.0), 0)
    mass = mass / n_heads / FIXED / tl.load(N_REAL + b)
    strict = tl.load(STRICT + lb * n_sets + s).to(tl.float64) / FIXED
    strict = strict / tl.load(N_STRICT + b * n_sets + s)
    tl.store(MASS + lb * n_sets + s, mass.to(tl.float32))
    tl.store(STRICT_MASS + lb * n_sets + s, strict.to(tl.float32))
