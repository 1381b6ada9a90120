"""Norms of states and values, and cosines of states: one launch for each instead of many."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from sinkscope.extract.devices import on_device
from sinkscope.extract.states import LayerState

STATES = 4  # per program of the states kernel, which reads COLUMNS of each at a time
COLUMNS = 512
VALUES = 2048  # least numbers per program of the value norms kernel: all values of some tokens
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


@triton.jit
def value_norms_kernel(
    value, stride_batch, stride_head, stride_token, norm, n_tokens, n_kv, d,
    n_rows: tl.constexpr, n_kv_padded: tl.constexpr, d_padded: tl.constexpr,
):  # fmt: skip
    """One block of n_rows tokens: writes `norm`, float32 [batch, token], the mean norm of the
    values over key-value heads. Grid: (block, document).

    value: [batch, kv, token, d], contiguous along d.
    """
    token = tl.program_id(0) * n_rows + tl.arange(0, n_rows)
    b = tl.program_id(1).to(tl.int64)
    head, column = tl.arange(0, n_kv_padded), tl.arange(0, d_padded)
    row = token.to(tl.int64)[:, None] * stride_token + head.to(tl.int64)[None, :] * stride_head
    at = value + b * stride_batch + row[:, :, None] + column[None, None, :]
    inside = (token < n_tokens)[:, None] & (head < n_kv)[None, :]
    inside = inside[:, :, None] & (column < d)[None, None, :]
    x = tl.load(at, mask=inside, other=0.0).to(tl.float32)  # [token, kv, d]
    total = tl.sum(tl.sqrt(tl.sum(x * x, 2)), 1)
    tl.store(norm + b * n_tokens + token, total / n_kv, mask=token < n_tokens)


def reduce_state(state: Tensor, first: Tensor) -> LayerState:
    """As `states.reduce_state`."""
    state = along_rows(state)
    batch, n_tokens, d = state.shape
    norm, cosine = torch.empty(2, batch, n_tokens, device=state.device).unbind(0)
    with on_device(state.device):
        states_kernel[(triton.cdiv(n_tokens, STATES), batch)](
            state, *state.stride()[:2], first, norm, cosine, n_tokens, d,
            n_rows=STATES, n_columns=min(triton.next_power_of_2(d), COLUMNS), num_warps=4,
        )  # fmt: skip
    return LayerState(norm, cosine)


def value_norm(value: Tensor) -> Tensor:
    """As `states.value_norm`."""
    value = along_rows(value)
    batch, n_kv, n_tokens, d = value.shape
    norm = torch.empty(batch, n_tokens, device=value.device)
    n_kv_padded, d_padded = triton.next_power_of_2(n_kv), triton.next_power_of_2(d)
    n_rows = max(1, VALUES // (n_kv_padded * d_padded))
    with on_device(value.device):
        value_norms_kernel[(triton.cdiv(n_tokens, n_rows), batch)](
            value, *value.stride()[:3], norm, n_tokens, n_kv, d,
            n_rows=n_rows, n_kv_padded=n_kv_padded, d_padded=d_padded, num_warps=4,
        )  # fmt: skip
    return norm


def along_rows(rows: Tensor) -> Tensor:
    """The rows, contiguous along the last axis, as they nearly always are."""
    return rows if rows.stride(-1) == 1 else rows.contiguous()
