"""The statistics kernel: every tile of keys x queries once, all heads of it in turn.

The head mean of a tile stays in registers while its heads go by, so that its largest key, its
masses and its part of the map are taken without a matrix ever being written. Sums that many
tiles add to are integers of a fixed point: their order, which no GPU keeps, changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
import triton
import triton.language as tl
from torch import Tensor

from sinkscope.extract.kernels.logits import LOG2E, visible

# 2^44: sums of up to 2^19 stay inside an int64, and steps of 6e-14 are far below float32's.
FIXED = tl.constexpr(17592186044416.0)
LAST_KEY = tl.constexpr(0x7FFFFFFF)


@triton.jit
def add_fixed(at, values, inside):
    tl.atomic_add(at, (values * FIXED).to(tl.int64), mask=inside, sem="relaxed")


@triton.jit
def keep_best(best, mean, key, query, n_tokens):
    """Largest key of every query, ties to the lowest: [key, query] head means of one tile."""
    value, place = tl.max(
        mean, axis=0, return_indices=True, return_indices_tie_break_left=True
    )
    first = tl.min(key, axis=0)
    packed = value.to(tl.int32, bitcast=True).to(tl.int64) << 32
    packed = packed | (-(first + place) + LAST_KEY).to(tl.int64)
    tl.atomic_max(best + query, packed, mask=query < n_tokens, sem="relaxed")


@triton.jit
def reduce_mean(
    mean, key, query, first_query, BEST, GROUPS, GROUP_RECEIVED, MAP, b, lb,
    n_tokens, n_padded, n_groups, n_cells, EXACT_MAP: tl.constexpr, BM: tl.constexpr,
):  # fmt: skip
    """What is taken from the head means of one tile, [key, query]."""
    inside_key, inside_query = key < n_tokens, query < n_tokens
    keep_best(BEST + lb * n_tokens, mean, key, query, n_tokens)
    for g in range(0, n_groups):
        member = tl.load(GROUPS + (b * n_groups + g) * n_padded + query)
        if tl.max(member, 0) > 0.0:  # most groups of queries are in few tiles
            received = tl.sum(mean * member[None, :], 1)
            add_fixed(GROUP_RECEIVED + (lb * n_groups + g) * n_tokens + key, received, inside_key)
    if EXACT_MAP:
        at = MAP + (lb * n_tokens + query[None, :]) * n_tokens + key[:, None]
        tl.store(at, mean, mask=inside_query[None, :] & inside_key[:, None])
    else:
        cell = ((query + 1) * n_cells - 1) // n_tokens
        last_query = tl.minimum(first_query + BM, n_tokens)
        for c in range(((first_query + 1) * n_cells - 1) // n_tokens,
                       (last_query * n_cells - 1) // n_tokens + 1):  # fmt: skip
            part = tl.sum(mean * tl.where(cell == c, 1.0, 0.0)[None, :], 1)
            add_fixed(MAP + (lb * n_cells + c) * n_tokens + key, part, inside_key)


@triton.jit
def statistics_kernel(
    QS, KS, SUMS, SHARES, MASK, BIAS, TILES, ENTROPY_WEIGHT, GROUPS,
    RECEIVED, ENTROPY, NORM_RECEIVED, BEST, GROUP_RECEIVED, MAP,
    s_qb, s_qh, s_qn, s_kb, s_kh, s_kn, s_mb, s_mh, s_mq, s_mk, s_bb, s_bh,
    least, scale, n_tokens, n_heads, n_batch, n_padded, n_groups, n_cells,
    TYPE: tl.constexpr, D: tl.constexpr, DP: tl.constexpr, GROUP: tl.constexpr,
    CAUSAL: tl.constexpr, MASK_KIND: tl.constexpr, HAS_BIAS: tl.constexpr,
    HAS_NORMS: tl.constexpr, EXACT_MAP: tl.constexpr,
    CHECKED: tl.constexpr, PRECISION: tl.constexpr,
    BN: tl.constexpr, BM: tl.constexpr, NQ: tl.constexpr, STAGES: tl.constexpr,
    HOIST: tl.constexpr, HEADS: tl.constexpr,
):  # fmt: skip
    """One tile: BN keys, and NQ times BM queries that share them.

    SUMS [.., head, n_padded]: what every row's logits are lowered by, in units of log 2.
    SHARES, alike: one over the mean norm of the values that a row attends to.
    """
    first_query = tl.load(TILES + 2 * tl.program_id(0))
    first_key = tl.load(TILES + 2 * tl.program_id(0) + 1)
    key = first_key + tl.arange(0, BN)
    lb = tl.program_id(1).to(tl.int64)
    layer, b = lb // n_batch, lb % n_batch
    inside_key = key < n_tokens
    q_of = tl.multiple_of(tl.load(QS + layer).to(tl.pointer_type(TYPE)), 16) + b * s_qb
    k_of = tl.multiple_of(tl.load(KS + layer).to(tl.pointer_type(TYPE)), 16) + b * s_kb
    queries = tl.make_tensor_descriptor(
        q_of, [n_heads, n_tokens, D], [s_qh, s_qn, 1], [1, BM, DP]
    )
    keys = tl.make_tensor_descriptor(
        k_of, [n_heads // GROUP, n_tokens, D], [s_kh, s_kn, 1], [1, BN, DP]
    )
    sums = tl.make_tensor_descriptor(
        SUMS + lb * n_heads * n_padded, [n_heads, n_padded], [n_padded, 1], [1, BM]
    )
    shares = tl.make_tensor_descriptor(
        SHARES + lb * n_heads * n_padded, [n_heads, n_padded], [n_padded, 1], [1, BM]
    )
    query_0 = first_query + tl.arange(0, BM)
    query_1 = query_0 + BM
    weights = tl.make_tensor_descriptor(
        ENTROPY_WEIGHT, [n_batch, n_padded], [n_padded, 1], [1, BM]
    )
    if HOIST:
        at = ENTROPY_WEIGHT + b * n_padded
        weight_0 = tl.load(at + query_0)
        weight_1 = tl.load(at + query_1) if NQ > 1 else weight_0
    mean_0 = tl.zeros([BN, BM], tl.float32)
    mean_1 = mean_0
    place = tl.arange(0, HEADS)[None, :]
    for first_head in range(0, n_heads, HEADS):
        # What each head gives, by [key, head]: written once for all of them, since a write
        # would have the warps wait for one another.
        received = tl.zeros([BN, HEADS], tl.float32)
        entropy = tl.zeros([BN, HEADS], tl.float32)
        weighted = tl.zeros([BN, HEADS], tl.float32)
        last_head = tl.minimum(first_head + HEADS, n_heads)
        for h in tl.range(first_head, last_head, num_stages=STAGES):
            is_head = place == h - first_head
            k = keys.load([h // GROUP, first_key, 0]).reshape([BN, DP])
            for part in tl.static_range(NQ):
                start = first_query + part * BM
                q = queries.load([h, start, 0]).reshape([BM, DP])
                lowered = sums.load([h, start])
                x = tl.dot(k, tl.trans(q), input_precision=PRECISION) * (scale * LOG2E)
                x -= lowered
                if HAS_BIAS:
                    bias = tl.load(BIAS + b * s_bb + h * s_bh + key, mask=inside_key, other=0.0)
                    x += bias.to(tl.float32)[:, None] * LOG2E
                if CHECKED:
                    query = query_0 if part == 0 else query_1
                    mask = MASK + b * s_mb + h * s_mh
                    x = visible(
                        x, key[:, None], query[None, :], mask, s_mq, s_mk, least, n_tokens,
                        CAUSAL, MASK_KIND,
                    )  # fmt: skip
                p = tl.exp2(x)
                if part == 0:
                    mean_0 += p
                else:
                    mean_1 += p
                received += tl.where(is_head, tl.sum(p, 1)[:, None], 0.0)
                if HOIST:
                    weight = weight_0 if part == 0 else weight_1
                    e = tl.sum(p * x * weight[None, :], 1)
                else:
                    e = tl.sum(p * x * weights.load([b.to(tl.int32), start]), 1)
                entropy += tl.where(is_head, e[:, None], 0.0)
                if HAS_NORMS:
                    w = tl.sum(p * shares.load([h, start]), 1)
                    weighted += tl.where(is_head, w[:, None], 0.0)
        head = first_head + place
        row = (lb * n_heads + head) * n_tokens + key[:, None]
        inside = inside_key[:, None] & (head < n_heads)
        add_fixed(RECEIVED + row, received, inside)
        add_fixed(ENTROPY + row, entropy, inside)
        if HAS_NORMS:
            add_fixed(NORM_RECEIVED + row, weighted, inside)
    reduce_mean(
        mean_0 / n_heads, key, query_0, first_query, BEST, GROUPS, GROUP_RECEIVED, MAP, b, lb,
        n_tokens, n_padded, n_groups, n_cells, EXACT_MAP, BM,
    )  # fmt: skip
    if NQ > 1:
        reduce_mean(
            mean_1 / n_heads, key, query_1, first_query + BM, BEST, GROUPS, GROUP_RECEIVED, MAP,
            b, lb, n_tokens, n_padded, n_groups, n_cells, EXACT_MAP, BM,
        )  # fmt: skip


@dataclass(frozen=True)
class Tiling:
    """Blocks of a tile and how it runs: `keys` keys, `parts` times `queries` queries.

    registers: most that a thread may use, so that two tiles fit a multiprocessor (None: any).
    """

    keys: int
    queries: int
    parts: int
    warps: int
    stages: int
    registers: int | None = None
    hoist: bool = True
    heads: int = 16


def tiling(padded_d: int, dtype: torch.dtype) -> Tiling:
    """The larger a tile, the fewer times each query and key is read."""
    if dtype == torch.float32:
        return Tiling(32, 32, 1, 4, 1)
    if padded_d > 128:
        return Tiling(64, 64, 1, 4, 2)
    return Tiling(128, 128, 1, 8, 2)


@lru_cache(maxsize=64)
def tiles(
    n_tokens: int, blocks: Tiling, device: torch.device, *, is_causal: bool, all_checked: bool
) -> tuple[Tensor, Tensor]:
    """int32 [tile, 2] first query and key of the tiles that need no check, and of those that do.

    Whole tiles have `parts` blocks of queries. A tile on the diagonal or at the end, with a
    mask every one, is cut into its blocks; those of which no query sees a key are left out.
    Neighbours in time are neighbours in place, so that they find each other's rows in the cache.
    """
    whole, checked = [], []
    tall = blocks.parts * blocks.queries
    band = 8 * tall
    for top in range(0, n_tokens, band):
        for key in range(0, n_tokens, blocks.keys):
            for first in range(top, min(top + band, n_tokens), tall):
                fits = first + tall <= n_tokens and key + blocks.keys <= n_tokens
                if not all_checked and fits and (not is_causal or key + blocks.keys - 1 <= first):
                    whole.append((first, key))
                    continue
                for query in range(first, min(first + tall, n_tokens), blocks.queries):
                    if not is_causal or key <= query + blocks.queries - 1:
                        checked.append((query, key))
    found = [torch.tensor(some, dtype=torch.int32).reshape(-1, 2) for some in (whole, checked)]
    return found[0].to(device), found[1].to(device)
