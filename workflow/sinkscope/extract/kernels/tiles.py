"""The statistics kernel: every tile of keys x queries once, all heads of it in turn.

The head mean of a tile stays in registers while its heads go by, and is written once, for `means`
to reduce. Sums that many tiles add to are integers of a fixed point: their order, which no GPU
keeps, changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
import triton
import triton.language as tl
from torch import Tensor

from sinkscope.extract.kernels.inputs import pinned
from sinkscope.extract.kernels.logits import LOG2E, visible

# 2^44: sums of up to 2^19 stay inside an int64, and steps of 6e-14 are far below float32's.
FIXED = tl.constexpr(17592186044416.0)


@triton.jit
def add_fixed(at, values, inside):
    tl.atomic_add(at, (values * FIXED).to(tl.int64), mask=inside, sem="relaxed")


@triton.jit
def statistics_kernel(
    QS, KS, SUMS, SHARES, MASK, BIAS, TILES, ENTROPY_WEIGHT,
    RECEIVED, ENTROPY, NORM_RECEIVED, MEANS,
    s_qb, s_qh, s_qn, s_kb, s_kh, s_kn, s_mb, s_mh, s_mq, s_mk, s_bb, s_bh,
    least, scale, n_tokens, n_heads, n_batch, n_padded, start, n_rows,
    TYPE: tl.constexpr, D: tl.constexpr, DP: tl.constexpr, GROUP: tl.constexpr,
    CAUSAL: tl.constexpr, MASK_KIND: tl.constexpr, HAS_BIAS: tl.constexpr,
    PRECISION: tl.constexpr, HAS_NORMS: tl.constexpr, CHECKED: tl.constexpr,
    BN: tl.constexpr, BM: tl.constexpr, STAGES: tl.constexpr, HEADS: tl.constexpr,
):  # fmt: skip
    """One tile of BN keys x BM queries.

    SUMS [.., head, n_padded]: what every row's logits are lowered by, in units of log 2.
    MEANS [.., n_rows, key]: head means of the queries from `start` on.
    SHARES, alike: one over the mean norm of the values that a row attends to.
    """
    first_query = tl.load(TILES + 2 * tl.program_id(0))
    first_key = tl.load(TILES + 2 * tl.program_id(0) + 1)
    query, key = first_query + tl.arange(0, BM), first_key + tl.arange(0, BN)
    inside_query, inside_key = query < n_tokens, key < n_tokens
    lb = tl.program_id(1).to(tl.int64)
    layer, b = lb // n_batch, lb % n_batch
    q_of = tl.multiple_of(tl.load(QS + layer).to(tl.pointer_type(TYPE)), 16) + b * s_qb
    k_of = tl.multiple_of(tl.load(KS + layer).to(tl.pointer_type(TYPE)), 16) + b * s_kb
    queries = tl.make_tensor_descriptor(q_of, [n_heads, n_tokens, D], [s_qh, s_qn, 1], [1, BM, DP])
    keys = tl.make_tensor_descriptor(
        k_of, [n_heads // GROUP, n_tokens, D], [s_kh, s_kn, 1], [1, BN, DP]
    )
    # Not loaded as vectors: every thread would fetch the numbers of a quarter of the queries.
    sums = tl.make_tensor_descriptor(
        SUMS + lb * n_heads * n_padded, [n_heads, n_padded], [n_padded, 1], [1, BM]
    )
    if HAS_NORMS:
        shares = tl.make_tensor_descriptor(
            SHARES + lb * n_heads * n_padded, [n_heads, n_padded], [n_padded, 1], [1, BM]
        )
    weight = tl.load(ENTROPY_WEIGHT + b * n_padded + query)
    mean = tl.zeros([BN, BM], tl.float32)
    place = tl.arange(0, HEADS)[None, :]
    for first_head in range(0, n_heads, HEADS):
        # What each head gives, by [key, head]: written once for all of them, since a write
        # would have the warps wait for one another.
        received = tl.zeros([BN, HEADS], tl.float32)
        entropy = tl.zeros([BN, HEADS], tl.float32)
        weighted = tl.zeros([BN, HEADS], tl.float32)
        last_head = tl.minimum(first_head + HEADS, n_heads)
        for h in tl.range(first_head, last_head, num_stages=STAGES):
            k = keys.load([h // GROUP, first_key, 0]).reshape([BN, DP])
            q = queries.load([h, first_query, 0]).reshape([BM, DP])
            x = tl.dot(k, tl.trans(q), input_precision=PRECISION) * (scale * LOG2E)
            x -= sums.load([h, first_query])
            if HAS_BIAS:
                bias = tl.load(BIAS + b * s_bb + h * s_bh + key, mask=inside_key, other=0.0)
                x += bias.to(tl.float32)[:, None] * LOG2E
            if CHECKED:
                x = visible(
                    x, key[:, None], query[None, :], MASK + b * s_mb + h * s_mh, s_mq, s_mk,
                    least, n_tokens, CAUSAL, MASK_KIND,
                )  # fmt: skip
            p = tl.exp2(x)
            mean += p
            is_head = place == h - first_head
            received += tl.where(is_head, tl.sum(p, 1)[:, None], 0.0)
            of_rows = tl.sum(p * x * weight[None, :], 1)
            entropy += tl.where(is_head, of_rows[:, None], 0.0)
            if HAS_NORMS:
                of_norms = tl.sum(p * shares.load([h, first_query]), 1)
                weighted += tl.where(is_head, of_norms[:, None], 0.0)
        row = (lb * n_heads + first_head + place) * n_tokens + key[:, None]
        inside = inside_key[:, None] & (first_head + place < n_heads)
        add_fixed(RECEIVED + row, received, inside)
        add_fixed(ENTROPY + row, entropy, inside)
        if HAS_NORMS:
            add_fixed(NORM_RECEIVED + row, weighted, inside)
    at = MEANS + (lb * n_rows + query[None, :] - start) * n_tokens + key[:, None]
    tl.store(at, mean / n_heads, mask=inside_query[None, :] & inside_key[:, None])


@dataclass(frozen=True)
class Tiling:
    """Blocks of a tile, and how it runs.

    stages: heads in flight. heads: whose sums are written together. registers: most that a
    thread may use, so that two tiles fit a multiprocessor (None: any).
    """

    keys: int
    queries: int
    warps: int
    stages: int
    heads: int
    registers: int | None = None


def tiling(padded_d: int, n_tokens: int, dtype: torch.dtype) -> Tiling:
    """Fixed, as measured on an H100: trying tilings at run time would add to sums many times.

    Large tiles read each query and key fewer times; small ones fill the device on short texts.
    """
    if dtype == torch.float32:
        return Tiling(32, 32, 4, 1, 8)
    if padded_d > 128:
        return Tiling(64, 64, 4, 2, 8)
    if padded_d <= 64:
        return Tiling(64, 64, 4, 2, 8, registers=128)
    if n_tokens <= 4096:
        return Tiling(128, 64, 8, 2, 8, registers=128)
    return Tiling(128, 128, 8, 3, 16)


@lru_cache(maxsize=64)
def tiles(
    n_tokens: int, rows: range, blocks: Tiling, device: torch.device,
    *, is_causal: bool, all_checked: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """int32 [tile, 2] first query and key of the tiles that need no check, and of those that do,
    of the queries in `rows`.

    Tiles on the diagonal or at the end need one, with a mask all do; those of which no query
    sees a key are left out. Neighbours in time are neighbours in place, so that they find each
    other's rows in the cache.
    """
    whole, checked = [], []
    band = 8 * blocks.queries
    for top in range(rows.start, rows.stop, band):
        for key in range(0, n_tokens, blocks.keys):
            for query in range(top, min(top + band, rows.stop), blocks.queries):
                fits = query + blocks.queries <= n_tokens and key + blocks.keys <= n_tokens
                if not all_checked and fits and (not is_causal or key + blocks.keys - 1 <= query):
                    whole.append((query, key))
                elif not is_causal or key <= query + blocks.queries - 1:
                    checked.append((query, key))
    found = [torch.tensor(some, dtype=torch.int32).reshape(-1, 2) for some in (whole, checked)]
    return pinned(found[0], device), pinned(found[1], device)
