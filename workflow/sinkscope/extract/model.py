"""Load a model and its tokenizer so that its attention can be observed."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoModel

from sinkscope.config import ModelRow
from sinkscope.errors import PassingError, SinkscopeError, error_class
from sinkscope.extract.architecture import (
    COMPATIBILITY,
    attention_of,
    detect_family,
    key_value_heads,
    network_class,
    observed_part,
    positions,
    read_architecture,
    text_config,
)
from sinkscope.extract.converted import as_safetensors
from sinkscope.extract.layers import Numbers, layer_numbers
from sinkscope.extract.sources import Weights, check_index, find_weights
from sinkscope.extract.tokenizer import check_fits, load_tokenizer


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
    def config(self) -> Any:
        """The configuration of the part that reads text."""
        return text_config(self.network.config)

    @property
    def n_layers(self) -> int:
        return int(self.config.num_hidden_layers)

    @cached_property
    def layer_numbers(self) -> Numbers:
        """The layer of each module, computed once: passes over short texts take little longer."""
        return layer_numbers(self.network, self.n_layers)

    @property
    def n_heads(self) -> int:
        return int(self.config.num_attention_heads)

    @cached_property
    def n_ids(self) -> int:
        """Token ids that the network takes; read once, since a configuration answers slowly."""
        return int(self.config.vocab_size)

    @property
    def architecture(self) -> str:
        """The class of the network; of an encoder, with what it is part of."""
        name, whole = type(self.network).__name__, network_class(self.network.config)
        if not self.network.config.is_encoder_decoder or whole is None:
            return name
        return f"{name} (of {whole.__name__}, without decoder and cross attention)"

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    def facts(self) -> dict[str, Any]:
        """The model's row of the table of models, which weights and configuration row determine."""
        return {
            "model": self.row.model,
            "source": self.row.source,
            "revision": self.revision,
            "architecture": self.architecture,
            "attention": attention_of(self.config),
            "family": self.family,
            "dtype": self.row.dtype,
            "n_parameters": sum(p.numel() for p in self.network.parameters()),
            "n_layers": self.n_layers,
            "n_heads": self.n_heads,
            "n_key_value_heads": key_value_heads(self.config),
            "hidden_size": int(self.config.hidden_size),
            "max_length": self.max_length,
        }


def load_model(row: ModelRow, directory: Path) -> Loaded:
    """Load the model of one row, without its output head, on its device.

    Raises SinkscopeError naming the model if the source, the package, the weights or the device is
    not available. Weights load as safetensors, or weights-only; no code is executed.
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
        weights = as_safetensors(row.model, weights)
        check_index(row.model, Path(weights.location))
        config = read_architecture(f"model '{row.model}'", weights.location)
        family = row.family or detect_family(row.model, config)
        tokenizer = load_tokenizer(row.model, row.source, weights.location)
        check_fits(row.model, tokenizer, text_config(config).vocab_size)
        # The configuration names the attention: Falcon chooses its class when it is built.
        network, missing = read_network(AutoModel, row, weights.location, config)
    except SinkscopeError:
        raise
    except Exception as error:  # libraries raise many kinds for weights that they cannot read
        raise error_class(error)(_unreadable(row, weights, error)) from error
    check_complete(row, weights, missing)
    network = observed_part(network)
    return Loaded(row, network, tokenizer, family, longest_input(row, network), weights.revision)


def read_network(
    auto: Any, row: ModelRow, location: str, config: Any, **options: Any
) -> tuple[Any, Iterable[str]]:
    """The network of a row as `auto` makes it, on its device, and the names of missing weights."""
    dtype, safe = getattr(torch, row.dtype), {"trust_remote_code": False, **placement(row)}
    network, info = auto.from_pretrained(
        location, config=config, dtype=dtype, output_loading_info=True, **safe, **options
    )
    network = network.eval().requires_grad_(False)
    return network.to(row.device) if row.n_gpus == 1 else network, info["missing_keys"]


def family_of(row: ModelRow, directory: Path) -> str:
    """encoder or decoder, without loading the weights. Raises SinkscopeError like load_model."""
    if row.family:
        return row.family
    weights = as_safetensors(row.model, find_weights(row.model, row.source, directory))
    config = read_architecture(f"model '{row.model}'", weights.location)
    return detect_family(row.model, config)


def placement(row: ModelRow) -> dict[str, Any]:
    """How the library spreads the weights over the row's GPUs. Raises SinkscopeError for too few
    GPUs."""
    if row.n_gpus == 1:  # from the file to the device, with no copy in between
        return {"device_map": row.device} if row.device.startswith("cuda") else {}
    n_visible = torch.cuda.device_count()
    if not row.device.startswith("cuda") or n_visible < row.n_gpus:
        raise PassingError(
            f"model '{row.model}': n_gpus is {row.n_gpus}, but its device is {row.device} and "
            f"torch sees {n_visible} GPUs here; run on a node that has them, or lower n_gpus."
        )
    memory = {i: torch.cuda.get_device_properties(i).total_memory for i in range(row.n_gpus)}
    return {"device_map": "balanced", "max_memory": memory}


def check_complete(row: ModelRow, weights: Weights, missing: Iterable[str]) -> None:
    """Refuse incomplete weights, which the library fills with random numbers, but for a pooler: no
    attention depends on it, and many checkpoints come without."""
    needed = sorted(name for name in missing if "pooler" not in name)
    if needed:
        raise SinkscopeError(
            f"model '{row.model}': {weights.location} lacks {len(needed)} of its weights "
            f"({needed[0]}, ...); download or save it again."
        )


def longest_input(row: ModelRow, network: torch.nn.Module) -> int | None:
    """The row's max_length, else the model's number of positions; None if neither is limited."""
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
    if isinstance(error, ImportError):
        remedy = "install the named package, or choose weights that do not need it"
    elif isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        remedy = "use a smaller dtype, more GPUs (n_gpus) or a machine with more memory"
    elif "attention implementation" in reason:  # the architecture is at fault, not its weights
        remedy = f"choose a model of another architecture ({COMPATIBILITY})"
    else:
        remedy = "download or install it again"
    return (
        f"model '{row.model}': {row.source} cannot be loaded from {weights.location} "
        f"({reason}); {remedy}."
    )


@contextlib.contextmanager
def threads(number: int) -> Iterator[None]:
    """Run with this many processor threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
