"""How a call of attention is handed to a kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from sinkscope.extract.masks import Call

TYPES = {torch.float32: tl.float32, torch.float16: tl.float16, torch.bfloat16: tl.bfloat16}


def padded_size(d: int) -> int:
    """Head size as the kernels hold it: a power of two, which matrix products need."""
    return max(16, triton.next_power_of_2(d))


def precision(dtype: torch.dtype) -> str:
    """Products of float32 are made in full; the other types are exact in any case."""
    return "ieee" if dtype == torch.float32 else "tf32"


def mask_arguments(call: Call) -> tuple[Tensor, tuple[int, ...], int, float]:
    """The mask as [batch, head, query, key] with its strides, its kind (logits.visible), and the
    number at and below which an added mask hides. Without a mask any tensor stands for it."""
    if call.mask is None:
        return call.query, (0, 0, 0, 0), 0, 0.0
    batch, n_heads, n_tokens, _ = call.query.shape
    mask = call.mask.expand(batch, n_heads, n_tokens, n_tokens)
    if mask.dtype == torch.bool:
        return mask.view(torch.uint8), mask.stride(), 1, 0.0
    return mask, mask.stride(), 2, torch.finfo(mask.dtype).min / 2


def bias_arguments(call: Call) -> tuple[Tensor, tuple[int, ...]]:
    """The bias of keys as [batch, head, key], with its first two strides."""
    if call.key_bias is None:
        return call.query, (0, 0)
    batch, n_heads, n_tokens, _ = call.query.shape
    bias = call.key_bias.expand(batch, n_heads, n_tokens)
    return bias, bias.stride()[:2]


def constants(call: Call) -> dict[str, Any]:
    """What a kernel is compiled for."""
    d = call.query.shape[-1]
    return {
        "D": d,
        "DP": padded_size(d),
        "GROUP": call.query.shape[1] // call.key.shape[1],
        "CAUSAL": call.is_causal,
        "MASK_KIND": mask_arguments(call)[2],
        "HAS_BIAS": call.key_bias is not None,
        "PRECISION": precision(call.query.dtype),
    }


def addresses(*lists: Sequence[Tensor]) -> Sequence[Tensor]:
    """For each list of tensors int64 [tensor], where they begin, on their device."""
    found = torch.tensor([[tensor.data_ptr() for tensor in tensors] for tensors in lists])
    # So few bytes go with the command itself, and wait for nothing.
    return found.to(lists[0][0].device, non_blocking=True).unbind(0)
