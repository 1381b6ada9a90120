"""What all kernels share: logits of a tile, with bias and masks, in units of log 2.

Tiles are transposed, [key, query]: sums over queries then stay within a thread.
"""

from __future__ import annotations

import triton
import triton.language as tl

LOG2E = tl.constexpr(1.4426950408889634)
HIDDEN = tl.constexpr(-1.0e30)  # logit of a hidden key; finite, so that 0 * HIDDEN is 0


@triton.jit
def load_rows(pointer, row, stride, n_tokens, D: tl.constexpr, DP: tl.constexpr):
    """[row, DP] rows of a matrix [token, D]; zeros outside it."""
    d = tl.arange(0, DP)
    inside = (row >= 0) & (row < n_tokens)
    at = pointer + row[:, None] * stride + d[None, :]
    return tl.load(at, mask=inside[:, None] & (d[None, :] < D), other=0.0)


@triton.jit
def visible(
    x,
    key,
    query,
    mask,
    s_mq,
    s_mk,
    least,
    n_tokens,
    CAUSAL: tl.constexpr,
    MASK_KIND: tl.constexpr,
):
    """x with a mask's numbers added, HIDDEN where a key is hidden; key, query and x broadcast.

    MASK_KIND: 0 none, 1 boolean, 2 added to the logits, where no more than `least` hides.
    """
    seen = (key >= 0) & (key < n_tokens) & (query >= 0) & (query < n_tokens)
    if CAUSAL:
        seen = seen & (key <= query)
    if MASK_KIND == 1:
        at = mask + query.to(tl.int64) * s_mq + key.to(tl.int64) * s_mk
        seen = seen & (tl.load(at, mask=seen, other=0) != 0)
    if MASK_KIND == 2:
        at = mask + query.to(tl.int64) * s_mq + key.to(tl.int64) * s_mk
        added = tl.load(at, mask=seen, other=0.0).to(tl.float32)
        seen = seen & (added > least)
        x += added * LOG2E
    return tl.where(seen, x, HIDDEN)
