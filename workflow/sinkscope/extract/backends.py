"""Which kernel of torch, or of Triton, computes the output of a layer on the fused path, and which
calls the path supports."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend

from sinkscope.extract.constants import on_device
from sinkscope.extract.kernels.arguments import TYPES
from sinkscope.extract.kernels.forward import forward
from sinkscope.extract.masks import Call

LARGEST_HEAD = 256
LONGEST = 1 << 18  # tokens; sums of more would leave the range of the fixed point

Kind = tuple[object, ...]
Operation = Callable[[Call], tuple[Tensor, Tensor]]


class Backend(NamedTuple):
    """The function that computes the output of layers of one kind. n_bytes: memory that one such
    layer keeps until its statistics are computed."""

    kind: Kind
    operation: Operation
    n_bytes: int


def kind_of(call: Call) -> Kind:
    """The properties of a call that determine its backend."""
    query, key, value = call.query, call.key, call.value
    return (
        query.shape, query.stride(), key.shape, key.stride(), value.shape, value.stride(),
        query.dtype, query.device, call.is_causal, call.scale, call.mask is None,
        call.attention, id(call.key_bias), call.softcap, call.sink is None,
    )  # fmt: skip


def bytes_of(call: Call) -> int:
    """Memory that the queries and keys keep alive: views of a joint projection keep all of it."""
    storages = {rows.untyped_storage().data_ptr(): rows for rows in (call.query, call.key)}
    return sum(rows.untyped_storage().nbytes() for rows in storages.values())


def supported_by_kernels(call: Call) -> bool:
    return (
        call.attention == "softmax"
        and call.softcap is None
        and call.sink is None
        and not call.n_extra
        and call.has_keys
        and call.query.dtype in TYPES
        and max(call.query.shape[-1], call.value.shape[-1]) <= LARGEST_HEAD
        and call.query.shape[2] <= LONGEST
        and aligned(call.query)
        and aligned(call.key)
    )


def aligned(rows: Tensor) -> bool:
    """Whether the hardware can copy tiles of the rows, which must be aligned to 16 bytes."""
    *outer, last = rows.stride()
    return last == 1 and all(stride * rows.element_size() % 16 == 0 for stride in outer)


def flash(call: Call) -> tuple[Tensor, Tensor]:
    return torch._scaled_dot_product_flash_attention(
        call.query, call.key, call.value, 0.0, call.is_causal, False, scale=call.scale
    )[:2]


def cudnn(call: Call) -> tuple[Tensor, Tensor]:
    return torch._scaled_dot_product_cudnn_attention(
        call.query, call.key, call.value, None, True, 0.0, call.is_causal, False, scale=call.scale
    )[:2]


def with_triton(call: Call) -> tuple[Tensor, Tensor]:
    with on_device(call.query.device):
        output, lse, _ = forward(call, None, output=True)
    assert output is not None
    return output, lse


def operation(call: Call) -> Operation:
    """The operation that computes a layer's output and the log-sum-exp of its rows: the kernel that
    torch would choose if it returns the log-sum-exp, else a Triton kernel."""
    query, key, value = call.query, call.key, call.value
    half = query.dtype in (torch.float16, torch.bfloat16)
    if call.mask is not None or call.key_bias is not None or not (half and query.is_cuda):
        return with_triton
    if query.shape[-1] % 8 or value.shape[-1] != query.shape[-1]:
        return with_triton
    grouped = query.shape[1] != key.shape[1]
    choice = torch._fused_sdp_choice(
        query, key, value, None, 0.0, call.is_causal, scale=call.scale, enable_gqa=grouped
    )
    operations = {SDPBackend.FLASH_ATTENTION.value: flash, SDPBackend.CUDNN_ATTENTION.value: cudnn}
    return operations.get(choice, with_triton)
