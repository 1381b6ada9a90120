"""Packs of kernel arguments, built from calls of attention."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from sinkscope.extract.constants import constant
from sinkscope.extract.kernels.packs import Constants, Logits, Matrix
from sinkscope.extract.masks import Call

TYPES = {torch.float32: tl.float32, torch.float16: tl.float16, torch.bfloat16: tl.bfloat16}


def padded_size(d: int) -> int:
    """Head size inside the kernels: a power of two of at least 16, as matrix products require."""
    return max(16, triton.next_power_of_2(d))


def matrix(rows: Tensor, pointer: Tensor | None = None) -> Matrix:
    """rows: [batch, head, token, d]. pointer: int64 [layer], addresses of tensors of that shape
    and those strides; without it, the kernel reads or writes `rows` itself."""
    return Matrix(rows if pointer is None else pointer, *rows.stride()[:3])


def logits_of(call: Call) -> Logits:
    """The call's mask and bias, expanded to every document and head without a copy."""
    batch, n_heads, n_tokens, _ = call.query.shape
    # The query stands in for a mask or a bias that is missing; kernels do not read it.
    mask = bias = call.query
    of_mask: Sequence[int] = (0, 0, 0, 0)  # strides
    of_bias: Sequence[int] = (0, 0)
    least = 0.0
    if call.mask is not None:
        mask = call.mask.expand(batch, n_heads, n_tokens, n_tokens)
        of_mask = mask.stride()
        if mask.dtype == torch.bool:
            mask = mask.view(torch.uint8)
        else:
            least = torch.finfo(mask.dtype).min / 2
    if call.key_bias is not None:
        bias = call.key_bias.expand(batch, n_heads, n_tokens)
        of_bias = bias.stride()[:2]
    return Logits._make((call.scale, least, mask, *of_mask, bias, *of_bias))


def constants_of(call: Call) -> Constants:
    """The constants that a kernel is compiled for."""
    d, mask_kind = call.query.shape[-1], 0
    if call.mask is not None:
        mask_kind = 1 if call.mask.dtype == torch.bool else 2
    return Constants(
        dtype=TYPES[call.query.dtype],
        d=d,
        d_padded=padded_size(d),
        group=call.query.shape[1] // call.key.shape[1],
        is_causal=call.is_causal,
        mask_kind=mask_kind,
        has_bias=call.key_bias is not None,
        # Without "ieee", float32 factors would be rounded to TF32; other types are not affected.
        precision="ieee" if call.query.dtype == torch.float32 else "tf32",
    )


def addresses(device: torch.device, *lists: Sequence[Tensor | None]) -> Sequence[Tensor]:
    """int64 [tensor] for each list: the addresses of its tensors, 0 for None, on the device."""
    table = torch.tensor(
        [[0 if tensor is None else tensor.data_ptr() for tensor in tensors] for tensors in lists]
    )
    return constant(table, device).unbind(0)
