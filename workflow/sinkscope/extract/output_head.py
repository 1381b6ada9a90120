"""A model with its output head, which turns final states into logits of tokens. Attention does not
need it, so `load_model` leaves it out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from transformers import AutoModelForCausalLM, AutoModelForMaskedLM
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_MASKED_LM_MAPPING,
)

from sinkscope.errors import SinkscopeError, error_class
from sinkscope.extract.model import Loaded, read_network


def with_output_head(loaded: Loaded) -> Loaded | None:
    """The model with the head for the next token (decoders) or for masked tokens (encoders); its
    output has `logits` [batch, token, id].

    None if the architecture or the weights have no such head, for a model built in memory, and for
    the encoder of an encoder-decoder model, whose head belongs to its decoder. Raises
    SinkscopeError if the weights cannot be read again.
    """
    is_encoder = loaded.family == "encoder"
    heads: Any = MODEL_FOR_MASKED_LM_MAPPING if is_encoder else MODEL_FOR_CAUSAL_LM_MAPPING
    base, row = loaded.network, loaded.row
    if type(base.config) not in heads or not base.name_or_path or base.config.is_encoder_decoder:
        return None
    try:
        auto: Any = AutoModelForMaskedLM if is_encoder else AutoModelForCausalLM
        where = base.name_or_path
        network, missing = read_network(auto, row, where, base.config, local_files_only=True)
    except Exception as error:  # libraries raise many kinds for weights that they cannot read
        reason = " ".join(str(error).split())[:300]
        raise error_class(error)(
            f"model '{row.model}': its output head cannot be loaded from {base.name_or_path} "
            f"({type(error).__name__}: {reason}); download or install it again."
        ) from error
    has_head = all("pooler" in name for name in missing)
    return replace(loaded, network=network) if has_head else None


@contextmanager
def logits_at(network: Any, places: Sequence[int]) -> Iterator[None]:
    """Within the block, the output head, if there is one, is given the states of these tokens
    alone: `logits` are [batch, place, id], which for a small model saves a large part of the
    time."""
    head = network.get_output_embeddings()
    if head is None:
        yield
        return
    at = list(places)
    handle = head.register_forward_pre_hook(lambda _, args: (args[0][:, at], *args[1:]))
    try:
        yield
    finally:
        handle.remove()


def mask_token(loaded: Loaded) -> int:
    """Id of the mask token of an encoder. Raises SinkscopeError if its tokenizer has none."""
    token = loaded.tokenizer.mask_token_id
    if token is None:
        raise SinkscopeError(
            f"model '{loaded.row.model}': its tokenizer has no mask token, which its head for "
            "masked tokens needs; add it to the tokenizer."
        )
    return int(token)
