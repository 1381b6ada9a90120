"""GPT-2 with another attention than plain softmax, as model classes that transformers can load: of
model type `sinkscope_gpt2`, lest the library runs them with softmax, and `attention`, one of
VARIANTS."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
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
from transformers.models.gpt2.modeling_gpt2 import GPT2Attention

from sinkscope.extract.masks import HIDDEN, Call, shown
from sinkscope.extract.rows import ALTERNATIVES

# learned_sink: softmax with one more key, without a value, whose logit each head learns (gpt-oss;
# OpenAI 2025). gated_softmax: softmax, each head's output times a gate between 0 and 1 that the
# layer's input opens (Qiu et al., "Gated attention for large language models", 2025, headwise).
VARIANTS = (*ALTERNATIVES, "learned_sink", "gated_softmax")
PADDING = 8  # fused attention takes heads whose size is a multiple of it


class VariantGPT2Config(GPT2Config):
    """The configuration of GPT-2, with `attention`: one of VARIANTS."""

    model_type = "sinkscope_gpt2"

    def __init__(self, attention: str = "softmax_off_by_one", **kwargs: Any) -> None:
        self.attention = attention
        super().__init__(**kwargs)


class VariantGPT2Model(GPT2Model):
    config_class = VariantGPT2Config

    def __init__(self, config: VariantGPT2Config) -> None:
        config._attn_implementation = config.attention  # overrides the loader's choice
        super().__init__(config)
        add_parameters(self)


class VariantGPT2LMHeadModel(GPT2LMHeadModel):
    config_class = VariantGPT2Config

    def __init__(self, config: VariantGPT2Config) -> None:
        config._attn_implementation = config.attention
        super().__init__(config)
        add_parameters(self.transformer)


class GatedAttention(GPT2Attention):
    """The attention of a layer of GPT-2, with a gate per head, computed from the layer's input."""

    def __init__(self, plain: GPT2Attention) -> None:
        super().__init__(plain.config, layer_idx=plain.layer_idx)
        self.c_attn, self.c_proj = plain.c_attn, plain.c_proj
        self.gate = nn.Linear(self.embed_dim, self.num_heads, bias=False)
        nn.init.normal_(self.gate.weight, std=self.config.initializer_range)

    def forward(self, hidden_states: Tensor, *args: Any, **options: Any) -> Any:
        gate = self.gate(hidden_states).sigmoid()  # [batch, token, head]
        return super().forward(hidden_states, *args, gate=gate, **options)


def add_parameters(network: GPT2Model) -> None:
    """The parameters that the variant has beside those of GPT-2. They come last, so that equal
    seeds draw equal weights for all variants."""
    for block in network.h:
        if network.config.attention == "learned_sink":
            block.attn.sinks = nn.Parameter(torch.zeros(network.config.n_head))
        elif network.config.attention == "gated_softmax":
            block.attn = GatedAttention(block.attn)


def attention(call: Call) -> Tensor:
    """The layer's output [batch, head, token, d]. Observing, `door` replaces this function."""
    if call.attention == "softmax_off_by_one" or call.sink is not None:
        return with_null_key(call)
    if call.attention == "softmax":
        return F.scaled_dot_product_attention(
            call.query, call.key, call.value, call.mask, is_causal=call.is_causal, scale=call.scale
        )
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
    """[batch, head, token, d] by torch's fused attention: softmax over one more key, in front, of
    value 0. Its logit is 0 (softmax-off-by-one), or the head's learned one. A query is added in
    front too, which keeps the causal shape; its row is dropped again."""
    query, key, value = (F.pad(t, (0, 0, 1, 0)) for t in (call.query, call.key, call.value))
    if call.sink is not None:
        # The product with one more dimension: 1 in the queries, in the keys 0 but for the first.
        batch, _, n_tokens, _ = query.shape
        logit = (call.sink / call.scale).to(key.dtype).expand(batch, -1, -1, -1)
        one = F.pad(torch.ones_like(query[..., :1]), (0, PADDING - 1))
        query = torch.cat([query, one], -1)
        key = torch.cat([key, F.pad(logit, (0, PADDING - 1, 0, n_tokens - 1))], -1)
        value = F.pad(value, (0, PADDING))
    mask = call.mask
    if mask is not None:
        per_query = int(mask.shape[2] > 1)
        mask = F.pad(shown(mask), (1, 0, per_query, 0), value=True)
    output = F.scaled_dot_product_attention(
        query, key, value, mask, is_causal=call.is_causal, scale=call.scale
    )
    return output[:, :, 1:, : call.value.shape[-1]]


def forward(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    gate: Tensor | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """The variants' attention function, as the library calls it. gate: [batch, token, head]."""
    config: Any = module.config
    kind, sink = config.attention, getattr(module, "sinks", None)
    call = Call(
        query, key, value, attention_mask,
        is_causal=attention_mask is None and query.shape[2] > 1,
        scale=query.shape[-1] ** -0.5 if scaling is None else scaling,
        attention=kind if kind in ALTERNATIVES else "softmax",
        sink=None if sink is None else sink.view(1, -1, 1, 1),
    )  # fmt: skip
    output = attention(call).transpose(1, 2)
    return output if gate is None else output * gate[..., None], None


AutoConfig.register(VariantGPT2Config.model_type, VariantGPT2Config)
AutoModel.register(VariantGPT2Config, VariantGPT2Model)
AutoModelForCausalLM.register(VariantGPT2Config, VariantGPT2LMHeadModel)
for _name in VARIANTS:
    AttentionInterface.register(_name, forward)
    AttentionMaskInterface.register(_name, sdpa_mask)
