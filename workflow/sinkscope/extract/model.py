"""Load a model and its tokenizer so that its attention can be observed."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator
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
from sinkscope.errors import PassingError, SinkscopeError, error_class
from sinkscope.extract.gguf import as_safetensors
from sinkscope.extract.sources import Weights, find_weights
from sinkscope.extract.variants import VariantGPT2Config


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
        return {
            "model": self.row.model,
            "source": self.row.source,
            "revision": self.revision,
            "architecture": type(self.network).__name__,
            "attention": attention_of(config),
            "family": self.family,
            "dtype": self.row.dtype,
            "n_parameters": sum(p.numel() for p in self.network.parameters()),
            "n_layers": self.n_layers,
            "n_heads": n_heads,
            "n_key_value_heads": key_value_heads(config),
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
        raise PassingError(
            f"model '{row.model}': its device is {row.device}, but torch sees no GPU here; "
            "set device: cpu, or run on a GPU node."
        )
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    try:
        if weights.gguf is not None:
            weights = as_safetensors(row.model, weights)
        config = AutoConfig.from_pretrained(weights.location, trust_remote_code=False)
        check_sizes(row.model, config)
        family = row.family or detect_family(row.model, config)
        tokenizer = AutoTokenizer.from_pretrained(weights.location, trust_remote_code=False)
        network, info = AutoModel.from_pretrained(
            weights.location,
            dtype=getattr(torch, row.dtype),
            # Falcon chooses its attention class when it is built, so it must be said here; a
            # variant takes its own in its place.
            attn_implementation="sdpa",
            output_loading_info=True,
            trust_remote_code=False,
            **placement(row),
        )
    except SinkscopeError:
        raise
    except Exception as error:  # whatever a library raises for weights it cannot read
        raise error_class(error)(_unreadable(row, weights, error)) from error
    check_complete(row, weights, info["missing_keys"])
    network = network.eval().requires_grad_(False)
    if row.n_gpus == 1:
        network = network.to(row.device)
    return Loaded(row, network, tokenizer, family, longest_input(row, network), weights.revision)


def check_sizes(model: str, config: Any) -> None:
    """Refuse a configuration without layers, heads or width: libraries divide by them."""
    for name in ("num_hidden_layers", "num_attention_heads", "hidden_size"):
        size = getattr(config, name, 1)
        if isinstance(size, int) and size < 1:
            raise SinkscopeError(
                f"model '{model}': {name} is {size} in its config.json; it must be at least 1."
            )


def placement(row: ModelRow) -> dict[str, Any]:
    """How the library spreads the weights of a model over its row's GPUs, in equal parts.

    Raises SinkscopeError where there are not as many.
    """
    if row.n_gpus == 1:  # from the file to the device, with no copy in between
        return {"device_map": row.device} if row.device.startswith("cuda") else {}
    n_there = torch.cuda.device_count()
    if not row.device.startswith("cuda") or n_there < row.n_gpus:
        raise PassingError(
            f"model '{row.model}': n_gpus is {row.n_gpus}, but its device is {row.device} and "
            f"torch sees {n_there} GPUs here; run on a node that has them, or lower n_gpus."
        )
    memory = {i: torch.cuda.get_device_properties(i).total_memory for i in range(row.n_gpus)}
    return {"device_map": "balanced", "max_memory": memory}


def attention_of(config: Any) -> str:
    """softmax, or what a variant of this package has in its place."""
    return config.attention if isinstance(config, VariantGPT2Config) else "softmax"


def key_value_heads(config: Any) -> int:
    """Heads that hold keys and values: fewer than query heads where these are grouped."""
    if getattr(config, "multi_query", False):
        # Falcon: one for all, but for its newer architecture.
        return int(config.num_kv_heads) if config.new_decoder_architecture else 1
    return int(getattr(config, "num_key_value_heads", None) or config.num_attention_heads)


def check_complete(row: ModelRow, weights: Weights, missing: Iterable[str]) -> None:
    """Refuse weights that lack some: the library fills them with random numbers.

    A pooler reads the last layer's output, which no attention depends on, and many
    checkpoints come without.
    """
    needed = sorted(name for name in missing if "pooler" not in name)
    if needed:
        raise SinkscopeError(
            f"model '{row.model}': {weights.location} lacks {len(needed)} of its weights "
            f"({needed[0]}, ...); download or save it again."
        )


def longest_input(row: ModelRow, network: torch.nn.Module) -> int | None:
    """The row's max_length, else the model's number of positions."""
    limit = positions(network)
    if row.max_length and limit and row.max_length > limit:
        raise SinkscopeError(
            f"model '{row.model}': max_length is {row.max_length}, but the model has only {limit} "
            "positions; correct it in the table of models."
        )
    return row.max_length or limit


def _unreadable(row: ModelRow, weights: Weights, error: Exception) -> str:
    reason = " ".join(str(error).split())
    reason = f"{type(error).__name__}: {reason[:300]}"
    return (
        f"model '{row.model}': {row.source} cannot be loaded from {weights.location} "
        f"({reason}); download or install it again."
    )


def detect_family(model: str, config: Any) -> str:
    """encoder or decoder, from the architecture's entry in the library's own tables."""
    kind = config.model_type
    if not getattr(config, "is_encoder_decoder", False):
        if kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not getattr(config, "is_decoder", False):
            return "encoder"
        if kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES or isinstance(config, VariantGPT2Config):
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
