"""Logits of a tile, with bias and mask, in units of log 2; all kernels share these functions.

Tiles are transposed, [key, query]: sums over queries then stay within a thread.
"""

from __future__ import annotations

import triton
import triton.language as tl

from sinkscope.extract.kernels.packs import Logits

LOG2E = tl.constexpr(1.4426950408889634)
HIDDEN = tl.constexpr(-1.0e30)  # logit of a hidden key; finite, so that 0 * HIDDEN is 0


@triton.jit
def load_rows(pointer, row, stride, n_tokens, d: tl.constexpr, d_padded: tl.constexpr):
    """[row, d_padded] rows of a matrix [token, d]; zeros outside it."""
    column = tl.arange(0, d_padded)
    inside = (row >= 0) & (row < n_tokens)
    at = pointer + row[:, None] * stride + column[None, :]
    return tl.load(at, mask=inside[:, None] & (column[None, :] < d), other=0.0)


@triton.jit
def load_bias(key, document, head, logits: Logits, n_tokens):
    """float32 [key] bias of the keys of one head; 0 outside the document."""
    at = logits.bias + document * logits.stride_bias_batch + head * logits.stride_bias_head + key
    bias = tl.load(at, mask=(key >= 0) & (key < n_tokens), other=0.0)
    return bias.to(tl.float32) * LOG2E


@triton.jit
def visible(x, key, query, document, head, logits: Logits, n_tokens, constants: tl.constexpr):
    """The logits x with an added mask, HIDDEN where a key is hidden; key, query and x broadcast."""
    is_visible = (key >= 0) & (key < n_tokens) & (query >= 0) & (query < n_tokens)
    if constants.is_causal:
        is_visible = is_visible & (key <= query)
    if constants.mask_kind != 0:
        mask = logits.mask + document * logits.stride_mask_batch + head * logits.stride_mask_head
        at = mask + query.to(tl.int64) * logits.stride_mask_query
        at += key.to(tl.int64) * logits.stride_mask_key
        if constants.mask_kind == 1:
            is_visible = is_visible & (tl.load(at, mask=is_visible, other=0) != 0)
        else:
            added = tl.load(at, mask=is_visible, other=0.0).to(tl.float32)
            is_visible = is_visible & (added > logits.least)
            x += added * LOG2E
    return tl.where(is_visible, x, HIDDEN)
