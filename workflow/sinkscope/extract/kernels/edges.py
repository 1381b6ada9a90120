"""What needs few keys of each query: its neighbours, its first key, the window's queries."""

from __future__ import annotations

import triton
import triton.language as tl

from sinkscope.extract.kernels.logits import LOG2E, load_rows, visible
from sinkscope.keys import LOCAL_WIDTHS

WIDTH = tl.constexpr(LOCAL_WIDTHS[-1])


@triton.jit
def rows_of_head(
    QS, KS, h, layer, b, s_qb, s_qh, s_kb, s_kh, TYPE: tl.constexpr, GROUP: tl.constexpr
):  # fmt: skip
    """Where the queries and the keys of one head begin."""
    q_of = tl.multiple_of(tl.load(QS + layer).to(tl.pointer_type(TYPE)), 16)
    k_of = tl.multiple_of(tl.load(KS + layer).to(tl.pointer_type(TYPE)), 16)
    return q_of + b * s_qb + h * s_qh, k_of + b * s_kb + (h // GROUP) * s_kh


@triton.jit
def attention_tile(
    q_of, k_of, bias_of, mask_of, sums_of, key, query, s_qn, s_kn, s_mq, s_mk, least, scale,
    n_tokens, D: tl.constexpr, DP: tl.constexpr, CAUSAL: tl.constexpr, MASK_KIND: tl.constexpr,
    HAS_BIAS: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """[key, query] attention of one head; 0 outside the document."""
    k = load_rows(k_of, key, s_kn, n_tokens, D, DP)
    q = load_rows(q_of, query, s_qn, n_tokens, D, DP)
    lowered = tl.load(sums_of + query, mask=query < n_tokens, other=0.0)
    x = tl.dot(k, tl.trans(q), input_precision=PRECISION) * (scale * LOG2E) - lowered[None, :]
    if HAS_BIAS:
        inside = (key >= 0) & (key < n_tokens)
        x += tl.load(bias_of + key, mask=inside, other=0.0).to(tl.float32)[:, None] * LOG2E
    x = visible(
        x, key[:, None], query[None, :], mask_of, s_mq, s_mk, least, n_tokens, CAUSAL, MASK_KIND
    )
    return tl.exp2(x)


@triton.jit
def attention_to(
    q, query, key, k_of, bias_of, mask_of, lowered, s_kn, s_mq, s_mk, least, scale, n_tokens,
    D: tl.constexpr, DP: tl.constexpr, CAUSAL: tl.constexpr, MASK_KIND: tl.constexpr,
    HAS_BIAS: tl.constexpr,
):  # fmt: skip
    """[query] attention of every query to one key of its own; q: [query, DP] float32."""
    k = load_rows(k_of, key, s_kn, n_tokens, D, DP).to(tl.float32)
    x = tl.sum(q * k, 1) * (scale * LOG2E) - lowered
    if HAS_BIAS:
        inside = (key >= 0) & (key < n_tokens)
        x += tl.load(bias_of + key, mask=inside, other=0.0).to(tl.float32) * LOG2E
    x = visible(x, key, query, mask_of, s_mq, s_mk, least, n_tokens, CAUSAL, MASK_KIND)
    return tl.exp2(x)


@triton.jit
def neighbours_kernel(
    QS, KS, SUMS, MASK, BIAS, COUNTED, SINKS, FIRST, NEAR, OVER_HALF,
    s_qb, s_qh, s_qn, s_kb, s_kh, s_kn, s_mb, s_mh, s_mq, s_mk, s_bb, s_bh,
    least, scale, n_tokens, n_heads, n_batch, n_padded,
    TYPE: tl.constexpr, D: tl.constexpr, DP: tl.constexpr, GROUP: tl.constexpr,
    CAUSAL: tl.constexpr, MASK_KIND: tl.constexpr, HAS_BIAS: tl.constexpr,
    PRECISION: tl.constexpr, BM: tl.constexpr,
):  # fmt: skip
    """One block of queries of one head.

    NEAR [.., block, 2, distance]: attention to the keys at each distance, of all keys and of
    those that are no sinks, summed over the block. OVER_HALF [.., block]: how many counted
    queries give the document's first key more than half.
    """
    start = tl.program_id(0) * BM
    query = start + tl.arange(0, BM)
    h = tl.program_id(1)
    lb = tl.program_id(2).to(tl.int64)
    b = lb % n_batch
    q_of, k_of = rows_of_head(QS, KS, h, lb // n_batch, b, s_qb, s_qh, s_kb, s_kh, TYPE, GROUP)
    sums_of = SUMS + (lb * n_heads + h) * n_padded
    bias_of, mask_of = BIAS + b * s_bb + h * s_bh, MASK + b * s_mb + h * s_mh
    key = start - WIDTH + tl.arange(0, 2 * BM)
    p = attention_tile(
        q_of, k_of, bias_of, mask_of, sums_of, key, query, s_qn, s_kn, s_mq, s_mk, least, scale,
        n_tokens, D, DP, CAUSAL, MASK_KIND, HAS_BIAS, PRECISION,
    )  # fmt: skip
    is_key = (key >= 0) & (key < n_tokens)
    is_sink = tl.load(SINKS + b * n_padded + key, mask=is_key, other=0.0) != 0.0
    distance = tl.abs(key[:, None] - query[None, :])
    block = (lb * n_heads + h) * tl.num_programs(0) + tl.program_id(0)
    near = NEAR + block * 2 * (WIDTH + 1)
    for step in tl.static_range(0, WIDTH + 1):
        received = tl.sum(tl.where(distance == step, p, 0.0), 1)  # [key]
        tl.store(near + step, tl.sum(received, 0))
        tl.store(near + WIDTH + 1 + step, tl.sum(tl.where(is_sink, 0.0, received), 0))
    # The first key as a tile of its own, of which one row counts.
    first = tl.load(FIRST + b).to(tl.int32) + tl.arange(0, 16)
    p = attention_tile(
        q_of, k_of, bias_of, mask_of, sums_of, first, query, s_qn, s_kn, s_mq, s_mk, least, scale,
        n_tokens, D, DP, CAUSAL, MASK_KIND, HAS_BIAS, PRECISION,
    )  # fmt: skip
    on_first = tl.sum(tl.where((tl.arange(0, 16) == 0)[:, None], p, 0.0), 0)  # [query]
    inside = query < n_tokens
    counted = tl.load(COUNTED + b * n_padded + query, mask=inside, other=0.0) != 0.0
    tl.store(OVER_HALF + block, tl.sum(tl.where(counted & (on_first > 0.5), 1, 0), 0))


@triton.jit
def diagonals_kernel(
    QS, KS, SUMS, MASK, BIAS, OFFSETS, DIAGONALS,
    s_qb, s_qh, s_qn, s_kb, s_kh, s_kn, s_mb, s_mh, s_mq, s_mk, s_bb, s_bh,
    least, scale, n_tokens, n_heads, n_batch, n_padded, n_offsets,
    TYPE: tl.constexpr, D: tl.constexpr, DP: tl.constexpr, GROUP: tl.constexpr,
    CAUSAL: tl.constexpr, MASK_KIND: tl.constexpr, HAS_BIAS: tl.constexpr,
    PRECISION: tl.constexpr, BM: tl.constexpr,
):  # fmt: skip
    """DIAGONALS [.., query, offset]: attention to the key at each offset from the query."""
    query = tl.program_id(0) * BM + tl.arange(0, BM)
    h = tl.program_id(1)
    lb = tl.program_id(2).to(tl.int64)
    b = lb % n_batch
    q_of, k_of = rows_of_head(QS, KS, h, lb // n_batch, b, s_qb, s_qh, s_kb, s_kh, TYPE, GROUP)
    inside = query < n_tokens
    lowered = tl.load(SUMS + (lb * n_heads + h) * n_padded + query, mask=inside, other=0.0)
    q = load_rows(q_of, query, s_qn, n_tokens, D, DP).to(tl.float32)
    for place in range(n_offsets):
        p = attention_to(
            q, query, query + tl.load(OFFSETS + place), k_of, BIAS + b * s_bb + h * s_bh,
            MASK + b * s_mb + h * s_mh, lowered, s_kn, s_mq, s_mk, least, scale,
            n_tokens, D, DP, CAUSAL, MASK_KIND, HAS_BIAS,
        )  # fmt: skip
        at = ((lb * n_heads + h) * n_tokens + query) * n_offsets + place
        tl.store(DIAGONALS + at, p, mask=inside)


@triton.jit
def window_kernel(
    QS, KS, SUMS, MASK, BIAS, FIRST, RECEIVED,
    s_qb, s_qh, s_qn, s_kb, s_kh, s_kn, s_mb, s_mh, s_mq, s_mk, s_bb, s_bh,
    least, scale, n_tokens, n_heads, n_batch, n_padded, window,
    TYPE: tl.constexpr, D: tl.constexpr, DP: tl.constexpr, GROUP: tl.constexpr,
    CAUSAL: tl.constexpr, MASK_KIND: tl.constexpr, HAS_BIAS: tl.constexpr,
    PRECISION: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    """RECEIVED [.., key]: what a block of keys gets from the first `window` queries."""
    key = tl.program_id(0) * BN + tl.arange(0, BN)
    h = tl.program_id(1)
    lb = tl.program_id(2).to(tl.int64)
    b = lb % n_batch
    q_of, k_of = rows_of_head(QS, KS, h, lb // n_batch, b, s_qb, s_qh, s_kb, s_kh, TYPE, GROUP)
    sums_of = SUMS + (lb * n_heads + h) * n_padded
    bias_of, mask_of = BIAS + b * s_bb + h * s_bh, MASK + b * s_mb + h * s_mh
    received = tl.zeros([BN], tl.float32)
    begin = tl.load(FIRST + b).to(tl.int32)
    stop = tl.minimum(begin + window, n_tokens)
    if CAUSAL:  # earlier queries see none of these keys
        begin = tl.maximum(begin, tl.program_id(0) * BN)
    for start in range(begin, stop, BM):
        query = start + tl.arange(0, BM)
        p = attention_tile(
            q_of, k_of, bias_of, mask_of, sums_of, key, query, s_qn, s_kn, s_mq, s_mk, least,
            scale, n_tokens, D, DP, CAUSAL, MASK_KIND, HAS_BIAS, PRECISION,
        )  # fmt: skip
        received += tl.sum(tl.where((query < stop)[None, :], p, 0.0), 1)
    tl.store(RECEIVED + (lb * n_heads + h) * n_tokens + key, received, mask=key < n_tokens)
