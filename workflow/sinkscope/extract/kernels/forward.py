"""Attention with the log-sum-exp of its rows, for calls that torch gives no such sums of."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from sinkscope.extract.kernels.arguments import (
    bias_arguments,
    constants,
    mask_arguments,
    padded_size,
)
from sinkscope.extract.kernels.logits import HIDDEN, LOG2E, load_rows, visible
from sinkscope.extract.masks import Call


@triton.jit
def forward_kernel(
    Q, K, V, MASK, BIAS, NORMS, OUT, LSE, WEIGHTED,
    s_qb, s_qh, s_qn, s_kb, s_kh, s_kn, s_vb, s_vh, s_vn,
    s_ob, s_oh, s_on, s_mb, s_mh, s_mq, s_mk, s_bb, s_bh,
    least, scale, n_tokens, n_heads,
    D: tl.constexpr, DP: tl.constexpr, DV: tl.constexpr, DVP: tl.constexpr, GROUP: tl.constexpr,
    CAUSAL: tl.constexpr, MASK_KIND: tl.constexpr, HAS_BIAS: tl.constexpr,
    HAS_NORMS: tl.constexpr, HAS_OUT: tl.constexpr, PRECISION: tl.constexpr,
    BM: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    """One block of queries of one head: softmax over all keys, block by block of them."""
    query = tl.program_id(0) * BM + tl.arange(0, BM)
    h = tl.program_id(1)
    b = tl.program_id(2).to(tl.int64)
    n_kv = n_heads // GROUP
    q = load_rows(Q + b * s_qb + h * s_qh, query, s_qn, n_tokens, D, DP)
    k_of, v_of = K + b * s_kb + (h // GROUP) * s_kh, V + b * s_vb + (h // GROUP) * s_vh
    largest = tl.full([BM], float("-inf"), tl.float32)
    total = tl.zeros([BM], tl.float32)
    weighted = tl.zeros([BM], tl.float32)
    out = tl.zeros([BM, DVP], tl.float32)
    stop = n_tokens
    if CAUSAL:
        stop = tl.minimum(n_tokens, (tl.program_id(0) + 1) * BM)
    for start in range(0, stop, BN):
        key = start + tl.arange(0, BN)
        k = load_rows(k_of, key, s_kn, n_tokens, D, DP)
        x = tl.dot(q, tl.trans(k), input_precision=PRECISION) * (scale * LOG2E)
        if HAS_BIAS:
            bias = tl.load(BIAS + b * s_bb + h * s_bh + key, mask=key < n_tokens, other=0.0)
            x += bias.to(tl.float32)[None, :] * LOG2E
        mask = MASK + b * s_mb + h * s_mh
        x = visible(
            x, key[None, :], query[:, None], mask, s_mq, s_mk, least, n_tokens, CAUSAL, MASK_KIND
        )
        x = tl.where(x <= 0.5 * HIDDEN, float("-inf"), x)  # what is no number stays so
        before = largest
        largest = tl.maximum(before, tl.max(x, 1))
        base = tl.where(largest == float("-inf"), 0.0, largest)
        p = tl.exp2(x - base[:, None])
        shrink = tl.exp2(before - base)
        total = total * shrink + tl.sum(p, 1)
        if HAS_NORMS:
            at = NORMS + (b * n_kv + h // GROUP) * n_tokens + key
            norm = tl.load(at, mask=key < n_tokens, other=0.0)
            weighted = weighted * shrink + tl.sum(p * norm[None, :], 1)
        if HAS_OUT:
            v = load_rows(v_of, key, s_vn, n_tokens, DV, DVP)
            out = out * shrink[:, None]
            out = tl.dot(p.to(v.dtype), v, out, input_precision=PRECISION)
    row = (b * n_heads + h) * n_tokens + query
    tl.store(LSE + row, (largest + tl.log2(total)) / LOG2E, mask=query < n_tokens)
    share = 1.0 / tl.where(total > 0.0, total, 1.0)
    if HAS_NORMS:
        tl.store(WEIGHTED + row, weighted * share, mask=query < n_tokens)
    if HAS_OUT:
        d = tl.arange(0, DVP)
        at = OUT + b * s_ob + h * s_oh + query[:, None] * s_on + d[None, :]
        inside = (query[:, None] < n_tokens) & (d[None, :] < DV)
        tl.store(at, (out * share[:, None]).to(OUT.dtype.element_ty), mask=inside)


def forward(
    call: Call, norms: Tensor | None, *, output: bool
) -> tuple[Tensor | None, Tensor, Tensor | None]:
    """Output [batch, head, token, d] (None unless wanted), log-sum-exp of every row, and, of
    value norms [batch, kv, token], their mean under the attention; both [batch, head, token]."""
    query, value = call.query, call.value
    batch, n_heads, n_tokens, _ = query.shape
    d_value = value.shape[-1]
    # Laid out as [batch, token, head, d], which the model goes on with.
    out = query.new_empty(batch, n_tokens, n_heads, d_value).transpose(1, 2) if output else None
    lse = torch.empty(batch, n_heads, n_tokens, device=query.device)
    weighted = torch.empty_like(lse) if norms is not None else None
    mask, mask_strides, _, least = mask_arguments(call)
    bias, bias_strides = bias_arguments(call)
    shared = constants(call)
    wide = max(shared["DP"], padded_size(d_value)) > 128 or query.dtype == torch.float32
    rows, keys, warps = (32, 32, 4) if wide else (128, 64, 8)
    forward_kernel[(triton.cdiv(n_tokens, rows), n_heads, batch)](
        query, call.key, value, mask, bias, norms if norms is not None else query,
        out if output else query, lse, weighted if norms is not None else lse,
        *query.stride()[:3], *call.key.stride()[:3], *value.stride()[:3],
        *(out if out is not None else query).stride()[:3], *mask_strides, *bias_strides,
        least, call.scale, n_tokens, n_heads,
        DV=d_value, DVP=padded_size(d_value), HAS_NORMS=norms is not None, HAS_OUT=output,
        BM=rows, BN=keys, num_warps=warps, num_stages=2, **shared,
    )  # fmt: skip
    return out, lse, weighted
