"""The entry: from queries and keys to statistics, by the kernels or block by block."""

from __future__ import annotations

import importlib.util
from typing import Any

import torch
from torch import Tensor

from sinkscope.errors import SinkscopeError
from sinkscope.extract.masks import Call
from sinkscope.extract.plan import Plan
from sinkscope.kernels.by_blocks import by_blocks
from sinkscope.kernels.checks import check_mask, check_rows, check_sink, document_lengths
from sinkscope.kernels.statistics import HeadStatistics, packed

BACKENDS = ("triton", "blocks")


@torch.compiler.disable
@torch.no_grad()
def attention_statistics(
    query: Tensor,
    key: Tensor,
    *,
    mask: Tensor | None = None,
    is_causal: bool = False,
    scale: float | None = None,
    softcap: float | None = None,
    sink: Tensor | None = None,
    cu_seqlens: Tensor | None = None,
    map_cells: int | None = None,
    backend: str | None = None,
) -> HeadStatistics:
    """Statistics of softmax(scale * query @ key.T + mask), without keeping that matrix.

    query: [batch, head, token, d] float16, bfloat16 or float32, as in torch's
        scaled_dot_product_attention, after rotary embeddings. With cu_seqlens: [token, head, d], as
        in flash_attn_varlen_func and vLLM.
    key: the same shape, with fewer heads where query heads share keys (grouped-query attention):
        query head h reads key head h // (n_heads // n_key_heads).
    mask: None, or [batch, head, query, key] with axes of size 1 where it is the same; bool (True:
        visible) or a float added to the logits, which hides a key where it is at most half of its
        type's minimum, or -inf. The mask is not copied.
    is_causal: query i sees keys 0 to i only. scale: factor on the products; None: 1 / sqrt(d).
    softcap: logits become softcap * tanh(logits / softcap) (Gemma 2). sink: [head], logits of a
    learned sink, a key without value that takes part in every row's softmax (gpt-oss). cu_seqlens:
    int [document + 1], cumulative lengths of documents packed along the token axis; queries see
    only keys of the same document. None: each batch entry is a document.
        Each document is computed on its own; reading the lengths waits for the GPU.
    map_cells: cells per side of `mean_map`, at most as many as tokens; None: no map.
    backend: "triton" (CUDA, float types above, head sizes up to 256, rows aligned to 16 bytes, no
        softcap) or "blocks" (every device); None: triton where it can, else blocks.

    Returns a HeadStatistics, which names each statistic, its shape and its unit. Nothing is
    recorded for gradients. In a function under torch.compile, the call runs uncompiled.

    Cost: two products of queries and keys, about what the forward pass of the attention computes
    (docs/explanation/kernels.md has times). Memory: on a GPU, the statistics, 16 bytes per key and
    head, and at most 384 MiB of head means; in blocks, two buffers of logits of 4 MiB on a
    processor, 256 MiB on a GPU. Same inputs give the same bytes on the same device.

    Raises SinkscopeError, in one sentence, for arguments that do not fit together.
    """
    if backend not in (None, *BACKENDS):
        raise SinkscopeError(f"backend is '{backend}', but must be one of {BACKENDS}, or None.")
    if cu_seqlens is not None:
        if mask is not None or map_cells is not None:
            raise SinkscopeError(
                "mask and map_cells need documents of equal length; with cu_seqlens, call "
                "attention_statistics once per document."
            )
        check_rows(query, key, ("token", "head", "d"))
        lengths = document_lengths(cu_seqlens, query.shape[0])
        options: dict[str, Any] = {
            "is_causal": is_causal, "scale": scale, "softcap": softcap, "sink": sink,
            "backend": backend,
        }  # fmt: skip
        return packed(
            [
                attention_statistics(as_batch(q), as_batch(k), **options)
                for q, k in zip(query.split(lengths), key.split(lengths), strict=True)
                if len(q)
            ]
        )
    check_rows(query, key, ("batch", "head", "token", "d"))
    check_mask(mask, query)
    batch, n_heads, n_tokens, d = query.shape
    check_sink(sink, query, n_heads)
    if map_cells is not None and not 1 <= map_cells <= n_tokens:
        raise SinkscopeError(
            f"map_cells is {map_cells}, but a map of {n_tokens} tokens has 1 to {n_tokens} cells."
        )
    call = Call(
        query, key, key[..., :1],  # nobody wants the output
        mask, is_causal, d**-0.5 if scale is None else scale, softcap=softcap,
        sink=None if sink is None else sink.float().view(1, n_heads, 1, 1),
    )  # fmt: skip
    plan = Plan(
        real=torch.ones(batch, n_tokens, dtype=torch.bool),
        key_sets=torch.zeros(batch, n_tokens, 1, dtype=torch.bool),
        sinks=torch.zeros(batch, n_tokens, dtype=torch.bool),
        map_exact=0,
        map_cells=map_cells or 1,
    )
    chosen = backend or ("triton" if query.is_cuda and kernels_take(call) else "blocks")
    if chosen == "blocks":
        return by_blocks(call, plan, with_map=map_cells is not None)
    if not kernels_take(call):
        raise SinkscopeError(
            "the Triton kernels cannot take these arguments (see `backend` in the docstring of "
            "attention_statistics, and whether Triton is installed); use backend='blocks'."
        )
    from sinkscope.kernels.by_kernels import by_kernels

    return by_kernels(call, plan, with_map=map_cells is not None)


def as_batch(rows: Tensor) -> Tensor:
    """[1, head, token, d], a view of [token, head, d]."""
    return rows.transpose(0, 1)[None]


def kernels_take(call: Call) -> bool:
    """Whether the Triton kernels support the call."""
    if importlib.util.find_spec("triton") is None or torch.version.hip is not None:
        return False
    from sinkscope.extract.backends import supported_by_kernels

    # The hardware copies 16 bytes at a time.
    is_aligned = (call.query.data_ptr() | call.key.data_ptr()) % 16 == 0
    return is_aligned and supported_by_kernels(call._replace(sink=None))
