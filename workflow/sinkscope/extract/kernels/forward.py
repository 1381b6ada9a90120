"""Attention with the log-sum-exp of its rows, for calls where torch does not return it."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from sinkscope.extract.kernels.arguments import constants_of, logits_of, matrix, padded_size
from sinkscope.extract.kernels.logits import HIDDEN, LOG2E, load_bias, load_rows, visible
from sinkscope.extract.kernels.packs import ForwardConstants, Logits, Matrix
from sinkscope.extract.masks import Call


@triton.jit
def forward_kernel(
    query: Matrix, key: Matrix, value: Matrix, output, logits: Logits, norms, lse,
    weighted, n_tokens, n_heads, constants: tl.constexpr, forward: tl.constexpr,
):  # fmt: skip
    """One block of queries of one head: softmax over all keys, computed block by block of keys.

    query, key, value, output: packs.Matrix. norms: float32 [batch, kv, token]. lse, weighted:
    float32 [batch, head, token], the log-sum-exp of each row and the mean of norms under it.
    """
    n_queries: tl.constexpr = forward.n_queries
    n_keys: tl.constexpr = forward.n_keys
    d_value_padded: tl.constexpr = forward.d_value_padded
    rows = tl.program_id(0) * n_queries + tl.arange(0, n_queries)
    h = tl.program_id(1)
    b = tl.program_id(2).to(tl.int64)
    kv, n_kv = h // constants.group, n_heads // constants.group
    q_of = query.pointer + b * query.stride_batch + h * query.stride_head
    k_of = key.pointer + b * key.stride_batch + kv * key.stride_head
    v_of = value.pointer + b * value.stride_batch + kv * value.stride_head
    q = load_rows(q_of, rows, query.stride_token, n_tokens, constants.d, constants.d_padded)
    largest = tl.full([n_queries], float("-inf"), tl.float32)
    total = tl.zeros([n_queries], tl.float32)
    norm_sum = tl.zeros([n_queries], tl.float32)
    out = tl.zeros([n_queries, d_value_padded], tl.float32)
    stop = n_tokens
    if constants.is_causal:
        stop = tl.minimum(n_tokens, (tl.program_id(0) + 1) * n_queries)
    for start in range(0, stop, n_keys):
        columns = start + tl.arange(0, n_keys)
        k = load_rows(k_of, columns, key.stride_token, n_tokens, constants.d, constants.d_padded)
        x = tl.dot(q, tl.trans(k), input_precision=constants.precision) * (logits.scale * LOG2E)
        if constants.has_bias:
            x += load_bias(columns, b, h, logits, n_tokens)[None, :]
        x = visible(x, columns[None, :], rows[:, None], b, h, logits, n_tokens, constants)
        x = tl.where(x <= 0.5 * HIDDEN, float("-inf"), x)  # NaN stays NaN
        before = largest
        largest = tl.maximum(before, tl.max(x, 1))
        base = tl.where(largest == float("-inf"), 0.0, largest)
        p = tl.exp2(x - base[:, None])
        shrink = tl.exp2(before - base)
        total = total * shrink + tl.sum(p, 1)
        if forward.has_norms:
            at = norms + (b * n_kv + kv) * n_tokens + columns
            norm = tl.load(at, mask=columns < n_tokens, other=0.0)
            norm_sum = norm_sum * shrink + tl.sum(p * norm[None, :], 1)
        if forward.has_output:
            v = load_rows(
                v_of, columns, value.stride_token, n_tokens,
                forward.d_value, d_value_padded,
            )  # fmt: skip
            out = out * shrink[:, None]
            out = tl.dot(p.to(v.dtype), v, out, input_precision=constants.precision)
    of_row = (b * n_heads + h) * n_tokens + rows
    tl.store(lse + of_row, (largest + tl.log2(total)) / LOG2E, mask=rows < n_tokens)
    factor = 1.0 / tl.where(total > 0.0, total, 1.0)
    if forward.has_norms:
        tl.store(weighted + of_row, norm_sum * factor, mask=rows < n_tokens)
    if forward.has_output:
        d = tl.arange(0, d_value_padded)
        at = output.pointer + b * output.stride_batch + h * output.stride_head
        at += rows[:, None] * output.stride_token + d[None, :]
        inside = (rows[:, None] < n_tokens) & (d[None, :] < forward.d_value)
        tl.store(at, (out * factor[:, None]).to(output.pointer.dtype.element_ty), mask=inside)


def forward(
    call: Call, norms: Tensor | None, *, output: bool
) -> tuple[Tensor | None, Tensor, Tensor | None]:
    """The output [batch, head, token, d] (None unless wanted), the log-sum-exp of every row, and,
    given value norms [batch, kv, token], their mean under the attention; both float32 [batch, head,
    token]."""
    query, value = call.query, call.value
    batch, n_heads, n_tokens, _ = query.shape
    d_value = value.shape[-1]
    # Laid out as [batch, token, head, d], which the rest of the model expects.
    out = query.new_empty(batch, n_tokens, n_heads, d_value).transpose(1, 2) if output else None
    lse = torch.empty(batch, n_heads, n_tokens, device=query.device)
    weighted = torch.empty_like(lse) if norms is not None else None
    constants, d_value_padded = constants_of(call), padded_size(d_value)
    wide = max(constants.d_padded, d_value_padded) > 128 or query.dtype == torch.float32
    n_queries, n_keys, warps = (32, 32, 4) if wide else (128, 64, 8)
    forward_kernel[(triton.cdiv(n_tokens, n_queries), n_heads, batch)](
        query=matrix(query), key=matrix(call.key), value=matrix(value),
        output=matrix(query if out is None else out), logits=logits_of(call),
        norms=query if norms is None else norms, lse=lse,
        weighted=lse if weighted is None else weighted, n_tokens=n_tokens, n_heads=n_heads,
        constants=constants,
        forward=ForwardConstants(
            d_value, d_value_padded, norms is not None, output, n_queries, n_keys
        ),
        num_warps=warps, num_stages=2,
    )  # fmt: skip
    return out, lse, weighted
