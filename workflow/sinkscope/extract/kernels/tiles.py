"""The statistics kernel: computes every tile of keys x queries once, for all heads in turn; their
mean stays in registers, and is written once. Sums that many tiles add to are in fixed point."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from sinkscope.extract.constants import constant, kept
from sinkscope.extract.kernels.logits import LOG2E, load_bias, visible
from sinkscope.extract.kernels.packs import HeadMeans, KeySums, Logits, Matrix, Normalizers, Sizes

# 2^44: sums of up to 2^19 stay inside an int64, and steps of 6e-14 are far below float32's.
FIXED = tl.constexpr(17592186044416.0)


@triton.jit
def add_fixed(at, values, inside):
    """Add float values to int64 sums in steps of 1 / FIXED."""
    tl.atomic_add(at, (values * FIXED).to(tl.int64), mask=inside, sem="relaxed")


@triton.jit
def statistics_kernel(
    queries: Matrix, keys: Matrix, logits: Logits, normalizers: Normalizers, entropy_weight, tiles,
    key_sums: KeySums, head_means: HeadMeans, sizes: Sizes, constants: tl.constexpr,
    tiling: tl.constexpr, has_norms: tl.constexpr, checked: tl.constexpr,
):  # fmt: skip
    """One tile of keys x queries, all heads: key sums and head means. Grid: (tile, layer * batch).

    queries, keys: packs.Matrix of addresses. entropy_weight: float32 [batch, n_padded], one over
    the log of the number of keys a query sees, 0 where a query has no entropy. tiles: int32 [tile,
    2], first query and first key. checked: whether the tile has hidden scores.
    """
    n_queries: tl.constexpr = tiling.queries
    n_keys: tl.constexpr = tiling.keys
    at_once: tl.constexpr = tiling.heads
    first_query = tl.load(tiles + 2 * tl.program_id(0))
    first_key = tl.load(tiles + 2 * tl.program_id(0) + 1)
    query = first_query + tl.arange(0, n_queries)
    key = first_key + tl.arange(0, n_keys)
    n_tokens, n_heads, n_padded = sizes.n_tokens, sizes.n_heads, sizes.n_padded
    inside_query, inside_key = query < n_tokens, key < n_tokens
    lb = tl.program_id(1).to(tl.int64)
    layer, b = lb // sizes.n_batch, lb % sizes.n_batch
    q_of = tl.load(queries.pointer + layer).to(tl.pointer_type(constants.dtype))
    k_of = tl.load(keys.pointer + layer).to(tl.pointer_type(constants.dtype))
    q_tiles = tl.make_tensor_descriptor(
        tl.multiple_of(q_of, 16) + b * queries.stride_batch,
        [n_heads, n_tokens, constants.d], [queries.stride_head, queries.stride_token, 1],
        [1, n_queries, constants.d_padded],
    )  # fmt: skip
    k_tiles = tl.make_tensor_descriptor(
        tl.multiple_of(k_of, 16) + b * keys.stride_batch,
        [n_heads // constants.group, n_tokens, constants.d],
        [keys.stride_head, keys.stride_token, 1],
        [1, n_keys, constants.d_padded],
    )  # fmt: skip
    # Not loaded as vectors: every thread would fetch the numbers of a quarter of the queries.
    of_rows = lb * n_heads * n_padded
    log_sums = tl.make_tensor_descriptor(
        normalizers.log_sums + of_rows, [n_heads, n_padded], [n_padded, 1], [1, n_queries]
    )
    if has_norms:
        inverse_norms = tl.make_tensor_descriptor(
            normalizers.inverse_norms + of_rows,
            [n_heads, n_padded], [n_padded, 1], [1, n_queries],
        )  # fmt: skip
    weight = tl.load(entropy_weight + b * n_padded + query)
    mean = tl.zeros([n_keys, n_queries], tl.float32)
    column = tl.arange(0, at_once)[None, :]
    for first_head in range(0, n_heads, at_once):
        # Sums of each head, [key, head], are written once for several heads: every write makes
        # the warps wait for one another.
        received = tl.zeros([n_keys, at_once], tl.float32)
        entropy = tl.zeros([n_keys, at_once], tl.float32)
        weighted = tl.zeros([n_keys, at_once], tl.float32)
        last_head = tl.minimum(first_head + at_once, n_heads)
        for h in tl.range(first_head, last_head, num_stages=tiling.stages):
            k = k_tiles.load([h // constants.group, first_key, 0])
            k = k.reshape([n_keys, constants.d_padded])
            q = q_tiles.load([h, first_query, 0]).reshape([n_queries, constants.d_padded])
            x = tl.dot(k, tl.trans(q), input_precision=constants.precision) * (logits.scale * LOG2E)
            x -= log_sums.load([h, first_query])
            if constants.has_bias:
                x += load_bias(key, b, h, logits, n_tokens)[:, None]
            if checked:
                x = visible(x, key[:, None], query[None, :], b, h, logits, n_tokens, constants)
            p = tl.exp2(x)
            mean += p
            is_head = column == h - first_head
            received += tl.where(is_head, tl.sum(p, 1)[:, None], 0.0)
            of_head = tl.sum(p * x * weight[None, :], 1)
            entropy += tl.where(is_head, of_head[:, None], 0.0)
            if has_norms:
                of_norms = tl.sum(p * inverse_norms.load([h, first_query]), 1)
                weighted += tl.where(is_head, of_norms[:, None], 0.0)
        row = (lb * n_heads + first_head + column) * n_tokens + key[:, None]
        inside = inside_key[:, None] & (first_head + column < n_heads)
        add_fixed(key_sums.received + row, received, inside)
        add_fixed(key_sums.entropy + row, entropy, inside)
        if has_norms:
            add_fixed(key_sums.norm_received + row, weighted, inside)
    row = lb * head_means.n_rows + query[None, :] - head_means.start
    at = head_means.means + row * n_tokens + key[:, None]
    tl.store(at, mean / n_heads, mask=inside_query[None, :] & inside_key[:, None])


class Tiling(NamedTuple):
    """Shape of a tile, in keys and queries, and how a program computes it.

    stages: heads whose loads are in flight. heads: heads whose sums are written together.
    registers: most registers per thread, so that two programs fit a multiprocessor (None: any).
    """

    keys: int
    queries: int
    warps: int
    stages: int
    heads: int
    registers: int | None = None


LARGE_TILE_BYTES = 134_144  # of shared memory, that the largest tiling takes for heads of 128


@lru_cache(maxsize=8)
def shared_memory(device: torch.device) -> int:
    """Bytes that a program can have: 101,376 on a GeForce or an L40, more on data centre GPUs."""
    if device.type != "cuda":  # interpreted
        return LARGE_TILE_BYTES
    properties: Any = torch.cuda.get_device_properties(device)
    return int(properties.shared_memory_per_block_optin)


def tiling_of(d_padded: int, n_tokens: int, dtype: torch.dtype, device: torch.device) -> Tiling:
    """The fastest tiling measured on an H100, of those that the device has memory for: large tiles
    read each query and key fewer times, small ones fill the device on short texts. It is fixed:
    each run of Triton's autotuning would add to the sums."""
    if dtype == torch.float32:
        return Tiling(32, 32, 4, 1, 8)
    if d_padded > 128:
        return Tiling(64, 64, 4, 2, 8)
    if d_padded <= 64:
        return Tiling(64, 64, 4, 2, 8, registers=128)
    if n_tokens <= 4096 or shared_memory(device) < LARGE_TILE_BYTES:
        return Tiling(128, 64, 8, 2, 8, registers=128)
    return Tiling(128, 128, 8, 3, 16)


@kept
def tiles_of(
    n_tokens: int, rows: range, tiling: Tiling, device: torch.device,
    *, is_causal: bool, all_checked: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """int32 [tile, 2] first query and first key of the tiles of the queries in `rows`: those
    without hidden scores; then those on the diagonal or at the end, or with a mask (all_checked)
    all, which need a check. Left out are tiles that are hidden from every query. Tiles that run at
    the same time lie close together, so that they read each other's queries and keys from the
    cache."""
    whole, checked = [], []
    band = 8 * tiling.queries
    for top in range(rows.start, rows.stop, band):
        for key in range(0, n_tokens, tiling.keys):
            for query in range(top, min(top + band, rows.stop), tiling.queries):
                fits = query + tiling.queries <= n_tokens and key + tiling.keys <= n_tokens
                if not all_checked and fits and (not is_causal or key + tiling.keys - 1 <= query):
                    whole.append((query, key))
                elif not is_causal or key <= query + tiling.queries - 1:
                    checked.append((query, key))
    lists = [torch.tensor(tiles, dtype=torch.int32).reshape(-1, 2) for tiles in (whole, checked)]
    return constant(lists[0], device), constant(lists[1], device)
