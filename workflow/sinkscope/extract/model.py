"""Load a model and its tokenizer so that its attention can be observed."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoModel, AutoTokenizer
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)

from sinkscope.config import ModelRow
from sinkscope.errors import SinkscopeError
from sinkscope.extract.gguf import as_safetensors
from sinkscope.extract.sources import Weights, find_weights


@dataclass(frozen=True)
class Loaded:
    """A model ready to run. max_length: longest input in tokens, None where unlimited."""

    row: ModelRow
    network: Any
    tokenizer: Any
    family: str
    max_length: int | None
    revision: str | None

    @property
    def n_layers(self) -> int:
        return int(self.network.config.num_hidden_layers)

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    def facts(self) -> dict[str, Any]:
        """What the table of models says; the same for the same weights and row."""
        config = self.network.config
        n_heads = int(config.num_attention_heads)
        n_kv = getattr(config, "num_key_value_heads", None) or n_heads
        if getattr(config, "multi_query", False) and not getattr(
            config, "new_decoder_architecture", False
        ):
            n_kv = 1  # Falcon says it this way
        return {
            "model": self.row.model,
            "source": self.row.source,
            "revision": self.revision,
            "architecture": type(self.network).__name__,
            "family": self.family,
            "dtype": self.row.dtype,
            "n_parameters": sum(p.numel() for p in self.network.parameters()),
            "n_layers": self.n_layers,
            "n_heads": n_heads,
            "n_key_value_heads": int(n_kv),
            "hidden_size": int(config.hidden_size),
            "max_length": self.max_length,
        }


def load_model(row: ModelRow, directory: Path) -> Loaded:
    """Load the model of one row, without its output head, on its device.

    Raises SinkscopeError naming the model where the source, the package, the weights or the
    device cannot be had. Weights load as safetensors, or weights-only; no code is executed.
    """
    weights = find_weights(row.model, row.source, directory)
    if row.device.startswith("cuda") and not torch.cuda.is_available():
        raise SinkscopeError(
            f"model '{row.model}': its device is {row.device}, but torch sees no GPU here; "
            "set device: cpu, or run on a GPU node."
        )
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    try:
        if weights.gguf is not None:
            weights = as_safetensors(row.model, weights)
        options = {"revision": weights.revision} if weights.is_hub else {}
        config = AutoConfig.from_pretrained(weights.location, **options)
        family = row.family or detect_family(row.model, config)
        tokenizer = AutoTokenizer.from_pretrained(weights.location, **options)
        network = AutoModel.from_pretrained(
            weights.location,
            dtype=getattr(torch, row.dtype),
            # Falcon chooses its attention class when it is built, so it must be said here.
            attn_implementation="sdpa",
            **options,
        )
    except SinkscopeError:
        raise
    except Exception as error:  # whatever a library raises for weights it cannot read
        raise SinkscopeError(_unreadable(row, weights, error)) from error
    network = network.eval().requires_grad_(False).to(row.device)
    revision = weights.revision
    if weights.is_hub:
        revision = getattr(config, "_commit_hash", None) or revision
    length = row.max_length or positions(network)
    return Loaded(row, network, tokenizer, family, length, revision)


def _unreadable(row: ModelRow, weights: Weights, error: Exception) -> str:
    reason = " ".join(str(error).split())
    reason = f"{type(error).__name__}: {reason[:300]}"
    remedy = "download or install it again"
    if weights.is_hub:
        remedy = "check the id and your access to the hub"
    return (
        f"model '{row.model}': {row.source} cannot be loaded from {weights.location} "
        f"({reason}); {remedy}."
    )


def detect_family(model: str, config: Any) -> str:
    """encoder or decoder, from the architecture's entry in the library's own tables."""
    kind = config.model_type
    if not getattr(config, "is_encoder_decoder", False):
        if kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not getattr(config, "is_decoder", False):
            return "encoder"
        if kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
            return "decoder"
    raise SinkscopeError(
        f"model '{model}': '{kind}' is neither a masked nor a causal language model; "
        "set its family in the table of models, or choose another model."
    )


def positions(network: torch.nn.Module) -> int | None:
    """Longest input the model has positions for.

    RoBERTa's kind numbers positions from padding_idx + 1, so that its table is longer than
    its longest input.
    """
    limit = getattr(network.config, "max_position_embeddings", None)
    if limit is None:
        return None
    for name, module in network.named_modules():
        if name.endswith("position_embeddings"):
            padding = getattr(module, "padding_idx", None)
            limit -= 0 if padding is None else padding + 1
    return int(limit)


@contextlib.contextmanager
def threads(number: int) -> Iterator[None]:
    """Run with this many processor threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
