"""GPT-2 with another attention than softmax, as model classes that transformers can load.

A checkpoint says `"model_type": "sinkscope_gpt2"` and, as `"attention"`, one of
rows.ALTERNATIVES. The separate model type keeps the library from loading it as plain GPT-2, which
would silently run it with softmax.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    GPT2Model,
)
from transformers.masking_utils import sdpa_mask

from sinkscope.extract.masks import HIDDEN, Call, shown
from sinkscope.extract.rows import ALTERNATIVES


class VariantGPT2Config(GPT2Config):
    """The configuration of GPT-2, with `attention`: one of rows.ALTERNATIVES."""

    model_type = "sinkscope_gpt2"

    def __init__(self, attention: str = "softmax_off_by_one", **kwargs: Any) -> None:
        self.attention = attention
        super().__init__(**kwargs)


class VariantGPT2Model(GPT2Model):
    config_class = VariantGPT2Config

    def __init__(self, config: VariantGPT2Config) -> None:
        config._attn_implementation = config.attention  # overrides the loader's choice
        super().__init__(config)


class VariantGPT2LMHeadModel(GPT2LMHeadModel):
    config_class = VariantGPT2Config

    def __init__(self, config: VariantGPT2Config) -> None:
        config._attn_implementation = config.attention
        super().__init__(config)


def attention(call: Call) -> Tensor:
    """The layer's output [batch, head, token, d]. While a model is observed, `door` replaces this
    function."""
    if call.attention == "softmax_off_by_one":
        return with_null_key(call)
    batch, _, n_queries, _ = call.query.shape
    # float32, also under autocast, as for softmax.
    logits = (call.query @ call.key.transpose(-1, -2)).float() * call.scale
    device = logits.device
    visible = torch.ones(1, 1, n_queries, logits.shape[-1], dtype=torch.bool, device=device)
    if call.is_causal:
        visible = visible.tril()
    if call.mask is not None:
        visible = visible & shown(call.mask)
    logits = logits.masked_fill(~visible, HIDDEN)
    n_keys = visible[:, 0].sum(-1).expand(batch, -1)  # [batch, query]
    rows = ALTERNATIVES[call.attention](logits, n_keys)
    return rows.to(call.value.dtype) @ call.value


def with_null_key(call: Call) -> Tensor:
    """Softmax-off-by-one as softmax over one more key, of logit 0 and value 0, in front.

    torch's fused attention can compute this. A query is added in front too, which keeps the causal
    shape; its row is dropped again. [batch, head, token, d]
    """
    query, key, value = (F.pad(t, (0, 0, 1, 0)) for t in (call.query, call.key, call.value))
    mask = call.mask
    if mask is not None:
        per_query = int(mask.shape[2] > 1)
        mask = F.pad(shown(mask), (1, 0, per_query, 0), value=True)
    output = F.scaled_dot_product_attention(
        query, key, value, mask, is_causal=call.is_causal, scale=call.scale
    )
    return output[:, :, 1:]


def _forward(name: str) -> Any:
    def forward(
        module: torch.nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        scaling: float | None = None,
        **kwargs: Any,
    ) -> tuple[Tensor, None]:
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        is_causal = attention_mask is None and query.shape[2] > 1
        call = Call(query, key, value, attention_mask, is_causal, scale, name)
        return attention(call).transpose(1, 2), None

    return forward


AutoConfig.register(VariantGPT2Config.model_type, VariantGPT2Config)
AutoModel.register(VariantGPT2Config, VariantGPT2Model)
AutoModelForCausalLM.register(VariantGPT2Config, VariantGPT2LMHeadModel)
for _name in ALTERNATIVES:
    AttentionInterface.register(_name, _forward(_name))
    AttentionMaskInterface.register(_name, sdpa_mask)
