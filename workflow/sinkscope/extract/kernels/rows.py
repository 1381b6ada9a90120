"""Statistics of single rows of attention: log-sum-exp, largest logit, its key, entropy."""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from sinkscope.extract.constants import on_device
from sinkscope.extract.kernels.arguments import constants_of, logits_of, matrix
from sinkscope.extract.kernels.logits import HIDDEN, LOG2E, load_bias, load_rows, visible
from sinkscope.extract.kernels.packs import Logits, Matrix, RowStatistics
from sinkscope.extract.masks import Call


@triton.jit
def rows_kernel(
    query: Matrix, key: Matrix, logits: Logits, rows: RowStatistics, n_tokens, n_heads,
    constants: tl.constexpr, n_queries: tl.constexpr, n_keys: tl.constexpr,
):  # fmt: skip
    """One block of queries of one head, over all keys, block by block of keys.

    query, key: packs.Matrix. rows: packs.RowStatistics, written. Grid: (block, head, document).

    With p unnormalised, exp2(x - largest), the entropy of a row is log2(sum p) - sum(p * (x -
    largest)) / sum p; both sums are rescaled whenever a block of keys has a larger logit.
    """
    q_row = tl.program_id(0) * n_queries + tl.arange(0, n_queries)
    h = tl.program_id(1)
    b = tl.program_id(2).to(tl.int64)
    q_of = query.pointer + b * query.stride_batch + h * query.stride_head
    k_of = key.pointer + b * key.stride_batch + (h // constants.group) * key.stride_head
    q = load_rows(q_of, q_row, query.stride_token, n_tokens, constants.d, constants.d_padded)
    largest = tl.full([n_queries], HIDDEN, tl.float32)
    largest_key = tl.full([n_queries], -1, tl.int32)
    total = tl.zeros([n_queries], tl.float32)
    weighted = tl.zeros([n_queries], tl.float32)
    stop = n_tokens
    if constants.is_causal:
        stop = tl.minimum(n_tokens, (tl.program_id(0) + 1) * n_queries)
    for start in range(0, stop, n_keys):
        column = start + tl.arange(0, n_keys)
        k = load_rows(k_of, column, key.stride_token, n_tokens, constants.d, constants.d_padded)
        x = tl.dot(q, tl.trans(k), input_precision=constants.precision) * (logits.scale * LOG2E)
        if constants.has_bias:
            x += load_bias(column, b, h, logits, n_tokens)[None, :]
        x = visible(x, column[None, :], q_row[:, None], b, h, logits, n_tokens, constants)
        of_block = tl.max(x, 1)
        lowest = tl.min(tl.where(x == of_block[:, None], column[None, :], n_tokens), 1)
        largest_key = tl.where(of_block > largest, lowest, largest_key)
        before = largest
        largest = tl.where(of_block > before, of_block, before)  # a NaN is not larger
        below = x - largest[:, None]
        # A row that has seen no key yet has a largest logit of HIDDEN, and so do its hidden keys.
        p = tl.where(x <= 0.5 * HIDDEN, 0.0, tl.exp2(below))
        # p * below is 0 where p is; `below` itself may be very negative.
        moved = before - largest
        shrink = tl.exp2(moved)
        weighted = (weighted + total * tl.maximum(moved, -1.0e4)) * shrink + tl.sum(p * below, 1)
        total = total * shrink + tl.sum(p, 1)
    at = (b * n_heads + h) * n_tokens + q_row
    inside = q_row < n_tokens
    is_blind = (largest_key < 0) & (total == total)
    total = tl.where(is_blind, 1.0, total)
    log_sum = largest + tl.log2(total)
    nothing = float("-inf")
    tl.store(rows.log_sum_exp + at, tl.where(is_blind, nothing, log_sum / LOG2E), mask=inside)
    tl.store(rows.max_logit + at, tl.where(is_blind, nothing, largest / LOG2E), mask=inside)
    tl.store(rows.max_key + at, largest_key.to(tl.int64), mask=inside)
    entropy = (tl.log2(total) - weighted / total) / LOG2E
    # Rounding can make the entropy of a row that is all on one key negative; NaN stays NaN.
    tl.store(rows.entropy + at, tl.where(entropy < 0.0, 0.0, entropy), mask=inside)


def row_statistics(call: Call) -> RowStatistics:
    """[batch, head, query] statistics of every row, of the call's mask, bias and scale."""
    batch, n_heads, n_tokens, _ = call.query.shape
    device = call.query.device
    numbers = torch.empty(3, batch, n_heads, n_tokens, device=device).unbind(0)
    keys = torch.empty(batch, n_heads, n_tokens, dtype=torch.int64, device=device)
    rows = RowStatistics(numbers[0], numbers[1], keys, numbers[2])
    constants = constants_of(call)
    is_wide = constants.d_padded > 128 or constants.precision == "ieee"
    n_queries, n_keys, warps = (32, 32, 4) if is_wide else (128, 64, 8)
    with on_device(device):
        rows_kernel[(triton.cdiv(n_tokens, n_queries), n_heads, batch)](
            query=matrix(call.query), key=matrix(call.key), logits=logits_of(call), rows=rows,
            n_tokens=n_tokens, n_heads=n_heads, constants=constants,
            n_queries=n_queries, n_keys=n_keys, num_warps=warps, num_stages=2,
        )  # fmt: skip
    return rows
