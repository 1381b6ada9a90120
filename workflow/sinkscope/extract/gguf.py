"""Reads GGUF weights with transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def read_gguf(model: str, path: Path) -> tuple[Any, Any]:
    """The network (float32, dequantised exactly) and the tokenizer of a GGUF file.

    model: not used; readers of other formats name it in errors. Raises what the library raises
    for a file that it cannot read.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    loaded = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name)
    config = loaded.config
    # A plain model of the same class: the loaded one counts as quantised, and cannot be saved.
    del config.quantization_config
    plain = type(loaded)(config)
    plain.load_state_dict(loaded.state_dict())
    return plain, tokenizer
