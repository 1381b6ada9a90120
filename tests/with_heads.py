"""Tiny models of every family with their output heads, in folders as they are saved."""

from pathlib import Path

import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

import tiny
from sinkscope.extract.model import load_model


def save(folder, name, tokenizer=None):
    """The folder with weights that have a head, and a tokenizer of letters or bytes."""
    is_encoder = name in tiny.ENCODERS
    tokenizer = tokenizer or (tiny.letter_tokenizer() if is_encoder else tiny.byte_tokenizer())
    config = tiny.CONFIGS[name]
    config = type(config).from_dict(config.to_dict() | {"vocab_size": len(tokenizer)})
    auto = AutoModelForMaskedLM if is_encoder else AutoModelForCausalLM
    torch.manual_seed(11)
    auto.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def load(folder, name):
    return load_model(tiny.row(name, f"path:{save(folder / name, name)}"), Path("/"))


def float64(folder, name):
    """The saved model with its head in float64."""
    auto = AutoModelForMaskedLM if name in tiny.ENCODERS else AutoModelForCausalLM
    return auto.from_pretrained(folder, dtype=torch.float64).eval()


def in_float64(model, ids, attend):
    """Logits [token, id] and final states [token, d] of one text, with the output of every layer
    returned by attend(logits [1, head, query, key], visible [query, key], value [1, head, key, d]).
    Nothing here comes from the package."""

    def attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None,
                  enable_gqa=False):  # fmt: skip
        key, value = (x.repeat_interleave(query.shape[1] // x.shape[1], 1) for x in (key, value))
        logits = query @ key.mT * (query.shape[-1] ** -0.5 if scale is None else scale)
        visible = torch.ones(logits.shape[-2:], dtype=torch.bool)
        visible = visible.tril() if is_causal else visible
        if attn_mask is not None and attn_mask.dtype == torch.bool:
            visible = visible & attn_mask[0, 0]
        elif attn_mask is not None:
            visible = visible & (attn_mask[0, 0] > -1e30)
            logits = logits + attn_mask
        return attend(logits, visible, value)

    before, F.scaled_dot_product_attention = F.scaled_dot_product_attention, attention
    try:
        with torch.inference_mode():
            output = model(ids, output_hidden_states=True)
    finally:
        F.scaled_dot_product_attention = before
    return output.logits[0].numpy(), output.hidden_states[-1][0].numpy()
