"""Tiny models of every family with their output heads, in folders as they are saved."""

from pathlib import Path

import torch
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
