"""Checks of the arguments of `attention_statistics`; each fault is one sentence."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from sinkscope.errors import SinkscopeError

FLOATS = (torch.float16, torch.bfloat16, torch.float32)


def check_rows(query: Tensor, key: Tensor, axes: tuple[str, ...]) -> None:
    """axes: names of the axes of both tensors, the heads' and the token's among them."""
    for name, rows in (("query", query), ("key", key)):
        if rows.ndim != len(axes):
            raise SinkscopeError(
                f"{name} has {rows.ndim} axes, but attention_statistics takes [{', '.join(axes)}]"
                f"{' with cu_seqlens' if axes[0] == 'token' else ''}; reshape or transpose it."
            )
        if rows.dtype not in FLOATS:
            raise SinkscopeError(
                f"{name} has type {name_of(rows.dtype)}, but the statistics are computed from "
                "float16, bfloat16 or float32; convert it."
            )
        if 0 in rows.shape:
            raise SinkscopeError(f"{name} of shape {list(rows.shape)} is empty; leave it out.")
    if query.dtype != key.dtype or query.device != key.device:
        raise SinkscopeError(
            f"query ({name_of(query.dtype)}, {query.device}) and key ({name_of(key.dtype)}, "
            f"{key.device}) differ in type or device; convert one of them."
        )
    for axis, name in enumerate(axes):
        sizes = query.shape[axis], key.shape[axis]
        if name == "head":
            if sizes[0] % sizes[1]:
                raise SinkscopeError(
                    f"{sizes[0]} query heads cannot share {sizes[1]} key heads; the number of "
                    "query heads must be a multiple."
                )
        elif sizes[0] != sizes[1]:
            raise SinkscopeError(
                f"query and key have {sizes[0]} and {sizes[1]} entries along the axis '{name}', "
                f"but need the same number{HINTS.get(name, '')}."
            )


HINTS = {
    "token": "; statistics are of whole documents: where few queries meet a cache of keys, compute "
    "their softmax rows directly",
}


def check_mask(mask: Tensor | None, query: Tensor) -> None:
    """query: [batch, head, token, d]."""
    if mask is None:
        return
    batch, n_heads, n_tokens, _ = query.shape
    wanted = (batch, n_heads, n_tokens, n_tokens)
    if mask.ndim != 4 or any(
        size not in (1, full) for size, full in zip(mask.shape, wanted, strict=True)
    ):
        raise SinkscopeError(
            f"mask of shape {list(mask.shape)} cannot be expanded to [batch, head, query, key] = "
            f"{list(wanted)}; give it these four axes, of size 1 where it is the same."
        )
    if mask.dtype not in (torch.bool, *FLOATS):
        raise SinkscopeError(
            f"mask has type {name_of(mask.dtype)}; give bool (True: visible) or a float that is "
            "added to the logits."
        )
    if mask.device != query.device:
        raise SinkscopeError(f"mask is on {mask.device}, queries on {query.device}; move it.")


def check_sink(sink: Tensor | None, query: Tensor, n_heads: int) -> None:
    if sink is None:
        return
    if sink.shape != (n_heads,):
        raise SinkscopeError(
            f"sink of shape {list(sink.shape)} does not hold one logit per query head ({n_heads})."
        )
    if sink.device != query.device:
        raise SinkscopeError(f"sink is on {sink.device}, queries on {query.device}; move it.")


def document_lengths(cu_seqlens: Tensor, n_tokens: int) -> list[int]:
    """Lengths from cumulative ones, [0, n_1, n_1 + n_2, ..., n_tokens]."""
    borders = cu_seqlens.tolist() if cu_seqlens.ndim == 1 else []
    lengths = [stop - start for start, stop in itertools.pairwise(borders)]
    if not lengths or borders[0] != 0 or borders[-1] != n_tokens or min(lengths) < 0:
        raise SinkscopeError(
            f"cu_seqlens must rise from 0 to the number of tokens, {n_tokens}, with one entry "
            f"per document, but is {str(cu_seqlens.tolist())[:80]}; give the cumulative lengths "
            "that flash-attn takes."
        )
    return lengths


def name_of(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
