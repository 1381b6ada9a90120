"""Whether a model can be observed, its family and its sizes, from its configuration. Everything
here follows from config.json, before any weights are downloaded or read.
"""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import Any

import transformers
from transformers import CONFIG_MAPPING, MODEL_MAPPING, AutoConfig, PreTrainedConfig
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)

from sinkscope.errors import ModelError, SinkscopeError
from sinkscope.extract.variants import VariantGPT2Config

COMPATIBILITY = "docs/reference/compatibility.md lists those that can be observed"
INTERFACE = "ALL_ATTENTION_FUNCTIONS.get_interface("
# Their attention is not one softmax over all tokens times the values, at least for long texts.
UNOBSERVED = frozenset(("convbert", "cpmant", "funnel", "longformer", "reformer", "xlnet"))
SIZES = ("num_hidden_layers", "num_attention_heads", "hidden_size", "vocab_size")


def read_architecture(what: str, location: str | Path, **options: Any) -> Any:
    """The configuration in a folder, with the attention that is observed here.

    what: names the model in errors, as `model 'gpt2'`. options: gguf_file.
    Raises SinkscopeError for a file that cannot be read, ModelError for an architecture that
    transformers does not know or that cannot be observed.
    """
    try:
        values, _ = PreTrainedConfig.get_config_dict(location, **options)
        if "model_type" in values:  # the library has a guess for old files without
            kind = str(values["model_type"])
            if kind not in CONFIG_MAPPING:
                raise ModelError(
                    f"{what}: transformers {transformers.__version__} does not know the "
                    f"architecture '{kind}', and code shipped with a model is never run; choose "
                    "another model, or another version of transformers."
                )
        config = AutoConfig.from_pretrained(location, trust_remote_code=False, **options)
    except ModelError:
        raise
    except Exception as error:  # the library raises many kinds for a file that it cannot read
        reason = " ".join(str(error).split())[:300]
        raise SinkscopeError(
            f"{what}: the configuration in {location} cannot be read ({type(error).__name__}: "
            f"{reason}); download or save the model again."
        ) from error
    check_observable(what, config)
    as_observed(config)
    return config


def as_observed(config: Any, otherwise: str = "sdpa") -> None:
    """Set how a model is run, in its configuration and in all nested ones: a config.json may name
    an attention, such as code to download, which overrides what the loader is asked for. otherwise:
    the attention of parts that are no models of their own."""
    attention = implementation(config) or otherwise
    for part in vars(config).values():
        if isinstance(part, PreTrainedConfig):
            as_observed(part, attention)
    if getattr(config, "attention_type", None) == "block_sparse":
        # BigBird: texts that are no longer than this attend to all tokens, and only they are taken.
        # The library would choose again in the middle of a pass.
        config.attention_type = "original_full"
        config.longest_full = (5 + 2 * config.num_random_blocks) * config.block_size
    config._output_attentions = False  # needs another attention than the one observed
    config.return_dict = True
    # Not the public name, which would overwrite what the nested parts have.
    config._attn_implementation_internal = attention
    config._experts_implementation = None  # the library's default, for the same reason


def check_observable(what: str, config: Any) -> None:
    """Raises ModelError if this architecture is not a text model whose attention can be
    intercepted. Only a forward pass shows whether attention is called exactly once per layer."""
    kind = config.model_type
    network = network_class(config)
    if network is None or network.main_input_name != "input_ids":
        raise ModelError(f"{what}: '{kind}' is not a text model; choose another model.")
    if implementation(config) is None:
        raise ModelError(
            f"{what}: {network.__name__} has no attention with softmax to observe; choose another "
            f"model ({COMPATIBILITY})."
        )
    if kind in UNOBSERVED:
        raise ModelError(
            f"{what}: {network.__name__} of transformers {transformers.__version__} computes its "
            "attention in model-specific code that cannot be intercepted; choose another model "
            f"({COMPATIBILITY})."
        )
    text = text_config(config)
    for name in SIZES:
        size = getattr(text, name, 1) if says(text, name) else 1
        if size < 1:
            raise ModelError(f"{what}: {name} is {size} in its config.json; it must be at least 1.")
    check_sizes(what, config)


def check_sizes(what: str, config: Any) -> None:
    """Raises ModelError if the part that reads text lacks one of SIZES."""
    lacking = [name for name in SIZES if not says(text_config(config), name)]
    if lacking:
        raise ModelError(
            f"{what}: the configuration of '{config.model_type}' has no {' or '.join(lacking)}, "
            "so that its attention cannot be observed here; choose another model."
        )


def says(config: Any, size: str) -> bool:
    """Whether a configuration has this size as one number for all layers."""
    try:
        int(getattr(config, size))
        return True
    except Exception:  # AttributeError, or the library's for a size that layers do not share
        return False


def network_class(config: Any) -> Any:
    """The class of the network without its output head; None where the library has none."""
    network = MODEL_MAPPING.get(type(config), None)
    return network[0] if isinstance(network, tuple) else network


def implementation(config: Any) -> str | None:
    """The library's name of the attention that is observed: sdpa, or eager for models that sdpa
    cannot compute. None if there is no attention with softmax."""
    network = network_class(config)
    if network is None:
        return None
    if supports_sdpa(config):
        return "sdpa"
    source = inspect.getsource(sys.modules[network.__module__])
    has_classes = re.search(r"^class \w*Attention", source, re.MULTILINE)
    has_softmax = has_classes and re.search(r"([sS]oftmax|logsumexp)\(", source)
    return "eager" if INTERFACE in source or has_softmax else None


def supports_sdpa(config: Any) -> bool:
    has_cap = getattr(config, "attn_logit_softcapping", None) is not None
    return bool(network_class(config)._supports_sdpa) and not has_cap


def text_config(config: Any) -> Any:
    """The configuration of the part that reads text: of images and text (Gemma-3, LLaVA) one of
    several."""
    try:
        return config.get_text_config()
    except ValueError:  # of several parts that read text; SIZES are then missing
        return config


def detect_family(model: str, config: Any) -> str:
    """encoder or decoder, from the architecture's entry in the library's own tables."""
    kinds = (config.model_type, text_config(config).model_type)
    if config.is_encoder_decoder:
        return "encoder"
    if any(kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES for kind in kinds):
        return "decoder" if getattr(config, "is_decoder", False) else "encoder"
    decoders = {*MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, *MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES}
    if decoders.intersection(kinds) or isinstance(config, VariantGPT2Config):
        return "decoder"
    raise ModelError(
        f"model '{model}': '{kinds[0]}' is neither a masked nor a causal language model; "
        "set its family in the table of models, or choose another model."
    )


def observed_part(network: Any) -> Any:
    """The part of a network whose attention is observed: of an encoder-decoder model the encoder,
    which runs alone. What the decoder attends to, and its cross attention, is left out."""
    return network.get_encoder() if network.config.is_encoder_decoder else network


def attention_of(config: Any) -> str:
    """softmax, or the attention of a variant of this package."""
    return config.attention if isinstance(config, VariantGPT2Config) else "softmax"


def key_value_heads(config: Any) -> int:
    """Number of heads that hold keys and values. config: of the part that reads text. GPTBigCode
    and Falcon state one head as `multi_query`, which Falcon's newer architecture sets beside a
    number."""
    if getattr(config, "multi_query", False) and not getattr(
        config, "new_decoder_architecture", False
    ):
        return 1
    names = ("num_key_value_heads", "num_kv_heads", "num_attention_heads")
    return int(next(value for name in names if (value := getattr(config, name, None))))


def positions(network: Any) -> int | None:
    """Longest input the model has positions for, and attends to in full; None if it is not limited.
    RoBERTa and similar models number positions from padding_idx + 1."""
    config = text_config(network.config)
    limit = getattr(config, "max_position_embeddings", None)
    if limit is None:
        return None
    limit = min(limit, getattr(config, "longest_full", limit))
    for name, module in network.named_modules():
        padding = getattr(module, "padding_idx", None)
        is_table = name.endswith("position_embeddings") and module.num_embeddings == limit
        if is_table and padding is not None:
            return int(limit) - padding - 1
    return int(limit)
