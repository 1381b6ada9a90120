"""Interception of attention that a model computes in its code, without either interface.

Such a model (BLOOM, GPT-J, DeBERTa) multiplies the softmax of its logits with its values, both
functions of torch that a TorchFunctionMode sees. The call has the logits, with scale, position bias
and mask, as an additive mask. Between softmax and product, the rows are followed only through
functions that do not change them; after any other, the layer lacks a call: the model is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from sinkscope.extract.architecture import implementation, text_config
from sinkscope.extract.listeners import Listener, listening, serve
from sinkscope.extract.masks import Call, heads_of

# Functions whose result has the rows of their input, in the same order.
KEEPING = frozenset(
    ("dropout", "view", "reshape", "contiguous", "clone", "to", "type_as", "float", "half",
     "bfloat16")
)  # fmt: skip
EINSUM_PRODUCT = re.compile(r"(\w*)(\w)(\w),\1\3(\w)->\1\2\4")
# Below the largest logit of the row by this much, in every head: a hidden key. Models add -1e4 or
# less to hide one; ALiBi falls as low only in heads with a large slope.
HIDDEN_BELOW = 5e3


class Rows(NamedTuple):
    """Rows of a softmax on their way to the values. logits: its input, [batch, head, query, key] or
    [batch * head, query, key]. dropout: the probability with which entries were dropped since."""

    logits: Tensor
    dropout: float = 0.0


@contextmanager
def own_code_of(network: torch.nn.Module) -> Iterator[None]:
    """Within the block, products of softmax and values in the network's own code are observed."""
    config = text_config(network.config)
    if implementation(config) == "eager":
        with OwnCode(int(config.num_attention_heads)):
            yield
    else:
        yield


class OwnCode(TorchFunctionMode):
    """Serves each product of softmax rows and values like a call of an attention function."""

    def __init__(self, n_heads: int) -> None:
        super().__init__()
        self._n_heads = n_heads
        self._rows: dict[int, tuple[Tensor, Rows]] = {}  # by id, which the tensor keeps in use

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        options, name = kwargs or {}, getattr(function, "__name__", "")
        operands = args[1:] if name == "einsum" else args
        rows = self._rows.get(id(operands[0]), (None, None))[1] if operands else None
        if rows is not None and is_product(name, args):
            listeners = listening()
            if listeners:
                self._rows = {}
                return self._served(listeners, rows, operands, partial(function, *args, **options))
        result = function(*args, **options)
        if name == "softmax":
            self._rows = {}
            if args and self._is_over_keys(*args, **options):
                self._rows[id(result)] = result, Rows(args[0].detach())
        elif rows is not None and name in KEEPING:
            if name == "dropout":
                rows = rows._replace(dropout=dropped(*args, **options))
            self._rows[id(result)] = result, rows
        elif rows is not None and is_in_place(name):
            self._rows = {}
        return result

    def _served(
        self,
        listeners: list[Listener],
        rows: Rows,
        operands: Sequence[Tensor],
        multiply: Callable[[], Tensor],
    ) -> Tensor:
        """The product of the operands, rows and values, as `multiply` or a listener computes it."""
        product = None

        def run() -> Tensor:
            nonlocal product
            product = multiply()
            return self._by_head(product)

        def own(key_head: int | None = None) -> Tensor:
            return self._by_head(multiply())[:, heads_of(key_head, call.query, call.key)]

        call = call_of(self._by_head(rows.logits), self._by_head(operands[1]))._replace(own=own)
        output = serve(listeners, call, rows.dropout, run)
        if product is not None:
            return product
        return output.contiguous().view(*operands[0].shape[:-1], output.shape[-1])

    def _is_over_keys(self, logits: Tensor, dim: int | None = None, *_: Any, **__: Any) -> bool:
        """Whether a softmax can be that of an attention: rows over the last axis, of all heads."""
        if dim not in (-1, logits.ndim - 1):
            return False
        return logits.ndim == 4 or (logits.ndim == 3 and len(logits) % self._n_heads == 0)

    def _by_head(self, tensor: Tensor) -> Tensor:
        """[batch, head, ...] of [batch * head, ...]."""
        return tensor if tensor.ndim == 4 else tensor.unflatten(0, (-1, self._n_heads))


def call_of(logits: Tensor, value: Tensor) -> Call:
    """logits: [batch, head, query, key]. value: [batch, key_value_head, key, d]."""
    batch, n_heads, n_tokens, n_keys = logits.shape
    far = logits < logits.amax(-1, keepdim=True) - HIDDEN_BELOW
    mask = logits.masked_fill(far.all(1, keepdim=True), torch.finfo(logits.dtype).min)
    nothing = value.new_zeros(1)
    return Call(
        nothing.expand(batch, n_heads, n_tokens, 1),
        nothing.expand(batch, value.shape[1], n_keys, 1),
        value.expand(batch, -1, -1, -1),
        mask,
        is_causal=False,  # the logits say it
        scale=1.0,
        has_keys=False,
    )


def is_product(name: str, args: Sequence[Any]) -> bool:
    """Whether a function with these arguments is the matrix product of two tensors."""
    if name == "einsum":
        return len(args) == 3 and EINSUM_PRODUCT.fullmatch(args[0].replace(" ", "")) is not None
    if name not in ("matmul", "bmm") or len(args) != 2:
        return False
    return args[0].ndim == args[1].ndim


def is_in_place(name: str) -> bool:
    """Whether a function of this name changes its input: mul_, __imul__, __setitem__."""
    return name == "__setitem__" or name.startswith("__i") or name[-1:] == "_" != name[-2:-1]


def dropped(_: Tensor, p: float = 0.5, training: bool = True, *__: Any, **___: Any) -> float:
    """The probability of a dropout with these arguments."""
    return p if training else 0.0
