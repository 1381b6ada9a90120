"""Check whether a model can be observed, and set its attention to the one that is observed."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedConfig

from sinkscope.errors import ModelError
from sinkscope.extract.architecture import check_sizes, implementation, text_config
from sinkscope.extract.variants import VARIANTS
from sinkscope.printable import printable


@dataclass(frozen=True)
class Observable:
    """A model that can be observed. name: its name in the column `model` of the tables."""

    network: torch.nn.Module
    name: str
    n_layers: int
    n_heads: int

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    @property
    def dtype(self) -> str:
        return str(next(self.network.parameters()).dtype).removeprefix("torch.")


def observable(network: Any, name: str | None = None) -> Observable:
    """The model as Observable. Raises ModelError, with what to do, if it cannot be observed."""
    config = getattr(network, "config", None)
    kind = type(network).__name__
    if not isinstance(network, torch.nn.Module) or not isinstance(config, PreTrainedConfig):
        wrapped = isinstance(getattr(network, "module", None), torch.nn.Module)
        hint = f"it wraps a model: give {kind}.module" if wrapped else "give one, such as GPT2Model"
        raise ModelError(f"'{kind}' is not a model of transformers; {hint}.")
    name = name or name_of(network)
    if is_compiled(network):
        raise ModelError(
            f"model '{name}': it is compiled (torch.compile), so that its attention cannot be "
            "observed; observe the model that was compiled, by calling it directly."
        )
    parts = {name.rpartition(".")[2] for name, _ in network.named_modules()}
    if config.is_encoder_decoder and "decoder" in parts:
        raise ModelError(
            f"model '{name}': {kind} is an encoder-decoder model, of which only the encoder can be "
            "observed; observe model.get_encoder(), and call it directly."
        )
    text = text_config(config)
    check_sizes(f"model '{name}'", config)
    return Observable(network, name, int(text.num_hidden_layers), int(text.num_attention_heads))


def name_of(network: Any) -> str:
    """Last part of the path or id of the weights, else the name of the class."""
    origin = str(getattr(network.config, "name_or_path", "") or "").replace("\\", "/")
    return printable(origin.rstrip("/").rpartition("/")[2]) or type(network).__name__


def is_compiled(network: torch.nn.Module) -> bool:
    return any(
        hasattr(module, "_orig_mod") or getattr(module, "_compiled_call_impl", None) is not None
        for module in network.modules()
    )


@contextmanager
def through_sdpa(model: Observable) -> Iterator[None]:
    """Within the block, the model computes attention with sdpa, which is observed, or with `eager`
    if sdpa cannot compute it. Raises ModelError if the model does not support it, and in
    training mode, because another attention would change the numbers of the training loop."""
    network: Any = model.network
    configs = configs_of(network.config)
    before = [(config, config._attn_implementation_internal) for config in configs]
    observed = {"sdpa", *VARIANTS, None}
    others = sorted(
        {str(kind) for config, kind in before if kind not in observed | {implementation(config)}}
    )
    if not others:
        yield
        return
    refusal = f"model '{model.name}': its attention is {others[0]}, which "
    wanted = implementation(text_config(network.config)) or "sdpa"
    remedy = f'load it with attn_implementation="{wanted}".'
    if network.training:
        raise ModelError(
            f"{refusal}cannot be observed in training without changing the numbers; {remedy}"
        )
    logger = logging.getLogger("transformers")
    level = logger.level
    try:
        logger.setLevel(logging.ERROR)
        try:
            network.set_attn_implementation(wanted)
        except Exception as error:  # any exception of the library for a model without it
            raise ModelError(f"{refusal}cannot be observed; {remedy}") from error
        finally:
            logger.setLevel(level)
        if network.config._attn_implementation != wanted:
            raise ModelError(f"{refusal}cannot be observed; {remedy}")
        yield
    finally:
        for config, kind in before:
            config._attn_implementation_internal = kind


def configs_of(config: PreTrainedConfig) -> list[PreTrainedConfig]:
    """A configuration and all configurations nested in it."""
    nested = [part for part in vars(config).values() if isinstance(part, PreTrainedConfig)]
    return [config, *(inner for part in nested for inner in configs_of(part))]
