"""ALiBi as a number for each key, instead of a matrix for each head.

Falcon folds its bias into a causal mask of [head, query, key] numbers, which for a long document
is larger than the model. The bias depends on the key alone: kept that way it is small, and
exactly the numbers that the library rounds it to, which its slopes would not give.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from sinkscope.extract.masks import Call

NAMES = ("build_alibi_tensor", "create_causal_mask")


@contextmanager
def by_key(network: torch.nn.Module, *, padded: bool) -> Iterator[Callable[[Call], Call]]:
    """Within the block the network builds no mask that contains the bias; the yielded function adds
    the bias to a call. Without ALiBi, or with padding, nothing changes."""
    module: Any = sys.modules[type(network).__module__]
    if padded or not all(hasattr(module, name) for name in NAMES):
        yield lambda call: call
        return
    originals = {name: getattr(module, name) for name in NAMES}
    biases: list[Tensor] = []

    def recorded(mask: Tensor, num_heads: int, dtype: torch.dtype) -> Tensor:
        alibi = originals["build_alibi_tensor"](mask, num_heads, dtype=dtype)
        bias = alibi.view(mask.shape[0], num_heads, mask.shape[1])  # [batch, head, key]
        # As the library scales it, in the model's own type.
        biases.append(bias / math.sqrt(network.config.hidden_size // num_heads))  # type: ignore[union-attr, operator]
        return alibi

    module.build_alibi_tensor = recorded
    module.create_causal_mask = lambda *args, **options: None  # the attention is then causal
    try:
        yield lambda call: call._replace(key_bias=biases[0]) if biases else call
    finally:
        for name, original in originals.items():
            setattr(module, name, original)
