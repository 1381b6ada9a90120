"""ALiBi as one number per key instead of one matrix per head.

Falcon folds its bias into a causal mask of [head, query, key] numbers, which for a long document is
larger than the model. The bias depends on the key alone. Per key it is small, and exact: the
library's rounded numbers, which its slopes would not give.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor

from sinkscope.extract.architecture import supports_sdpa
from sinkscope.extract.masks import Call, heads_of

ROWS = 256  # queries whose mask is in memory
NAMES = ("build_alibi_tensor", "create_causal_mask")


@contextmanager
def by_key(network: torch.nn.Module, *, padded: bool) -> Iterator[Callable[[Call], Call]]:
    """Within the block the network builds no mask that contains the bias; the yielded function adds
    the bias to a call. Without ALiBi, or with padding, nothing changes."""
    module: Any = sys.modules[type(network).__module__]
    # BLOOM's module has these names, too, but code of its own for the attention.
    is_falcon = all(hasattr(module, name) for name in NAMES) and supports_sdpa(network.config)
    if padded or not is_falcon:
        yield lambda call: call
        return
    build = module.build_alibi_tensor
    biases: list[Tensor] = []
    matrices: list[Tensor] = []  # as the library made them

    def recorded(mask: Tensor, num_heads: int, dtype: torch.dtype) -> Tensor:
        alibi = build(mask, num_heads, dtype=dtype)
        matrices.append(alibi.view(mask.shape[0], num_heads, 1, mask.shape[1]))
        bias = alibi.view(mask.shape[0], num_heads, mask.shape[1])  # [batch, head, key]
        # As the library scales it, in the model's own type.
        biases.append(bias / math.sqrt(network.config.hidden_size // num_heads))  # type: ignore[union-attr, operator]
        return alibi

    def with_bias(call: Call) -> Call:
        if not biases:
            return call
        return call._replace(key_bias=biases[0], own=partial(with_matrix, call, matrices[0]))

    # Without a mask, the attention is causal.
    replaced: dict[str, Any] = dict.fromkeys(NAMES, lambda *args, **options: None)
    replaced["build_alibi_tensor"] = recorded
    with mock.patch.multiple(module, **replaced):
        yield with_bias


def with_matrix(call: Call, alibi: Tensor, key_head: int | None = None) -> Tensor:
    """The layer's output [batch, head, token, d] with the bias in a mask, as the model computes it;
    for one head, or for all. alibi: [batch, head, 1, token], from the library."""
    heads = heads_of(key_head, call.query, call.key)
    query, key, value, bias = (rows[:, heads] for rows in (*call[:3], alibi))
    bias = bias / math.sqrt(query.shape[-1])
    position = torch.arange(query.shape[2], device=query.device)
    parts = []
    for queries in position.split(ROWS):
        mask = bias.masked_fill(position > queries[:, None], torch.finfo(bias.dtype).min)
        rows = query[:, :, queries]
        parts.append(F.scaled_dot_product_attention(rows, key, value, mask, scale=call.scale))
    return torch.cat(parts, 2)
