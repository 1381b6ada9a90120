"""Norms and cosines of the states that enter a layer, in one launch instead of a dozen."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from sinkscope.extract.constants import on_device
from sinkscope.extract.states import LayerState

TOKENS = 4  # per program
COLUMNS = 512  # that a program reads at a time
TINY = tl.constexpr(torch.finfo(torch.float32).tiny)


@triton.jit
def states_kernel(
    state, stride_batch, stride_token, first, norm, cosine, n_tokens, d,
    n_rows: tl.constexpr, n_columns: tl.constexpr,
):  # fmt: skip
    """One block of n_rows tokens: writes `norm` and `cosine`, as in states.LayerState. Grid:
    (block, document).

    state: [batch, token, d], contiguous along d. first: int64 [batch], position of key 0.
    """
    token = tl.program_id(0) * n_rows + tl.arange(0, n_rows)
    b = tl.program_id(1).to(tl.int64)
    of_document = state + b * stride_batch
    of_first = of_document + tl.load(first + b) * stride_token
    at = of_document + token.to(tl.int64)[:, None] * stride_token
    squares = tl.zeros([n_rows, n_columns], tl.float32)
    products = tl.zeros([n_rows, n_columns], tl.float32)
    first_squares = tl.zeros([n_columns], tl.float32)
    for start in range(0, d, n_columns):
        column = start + tl.arange(0, n_columns)
        inside = (token < n_tokens)[:, None] & (column < d)[None, :]
        x = tl.load(at + column[None, :], mask=inside, other=0.0).to(tl.float32)
        y = tl.load(of_first + column, mask=column < d, other=0.0).to(tl.float32)
        squares += x * x
        products += x * y[None, :]
        first_squares += y * y
    length = tl.sqrt(tl.sum(squares, 1))
    both = length * tl.sqrt(tl.sum(first_squares, 0))
    row = b * n_tokens + token
    tl.store(norm + row, length, mask=token < n_tokens)
    similarity = tl.sum(products, 1) / tl.maximum(both, TINY)
    tl.store(cosine + row, similarity, mask=token < n_tokens)


def reduce_state(state: Tensor, first: Tensor) -> LayerState:
    """As `states.reduce_state`."""
    if state.stride(-1) != 1:
        state = state.contiguous()
    batch, n_tokens, d = state.shape
    norm, cosine = torch.empty(2, batch, n_tokens, device=state.device).unbind(0)
    with on_device(state.device):
        states_kernel[(triton.cdiv(n_tokens, TOKENS), batch)](
            state=state, stride_batch=state.stride(0), stride_token=state.stride(1), first=first,
            norm=norm, cosine=cosine, n_tokens=n_tokens, d=d,
            n_rows=TOKENS, n_columns=min(triton.next_power_of_2(d), COLUMNS), num_warps=4,
        )  # fmt: skip
    return LayerState(norm, cosine)
