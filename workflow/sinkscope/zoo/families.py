"""The seven families: network classes, tokenizer style, and where their special tokens go."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from sinkscope.extract.variants import VariantGPT2Config, VariantGPT2LMHeadModel
from sinkscope.zoo.recipes import Recipe


@dataclass(frozen=True)
class Family:
    """The properties of a family.

    pieces: which of the three vocabularies its tokenizer uses. kind: encoder (predicts masked
    tokens) or decoder (the next one). document_token: the special token, by its role in the
    tokenizer, that is in front of every document in training. pairs: half of the rows are two
    segments with token types. build(recipe, tokenizer): a new network. head(network, hidden):
    logits over the vocabulary.
    """

    pieces: str
    kind: str
    document_token: str
    build: Callable[[Recipe, Any], nn.Module]
    head: Callable[[Any, Tensor], Tensor]
    pairs: bool = False


def _sizes(recipe: Recipe) -> dict[str, Any]:
    """Sizes under the names that the configurations of all families understand."""
    return {
        "vocab_size": recipe.vocabulary,
        "hidden_size": recipe.hidden_size,
        "num_hidden_layers": recipe.n_layers,
        "num_attention_heads": recipe.n_heads,
        "max_position_embeddings": recipe.max_length,
    }


def _ends(tokenizer: Any) -> dict[str, int | None]:
    return {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}


def _distilbert(recipe: Recipe, tokenizer: Any) -> nn.Module:
    return transformers.DistilBertForMaskedLM(
        transformers.DistilBertConfig(
            **_sizes(recipe),
            hidden_dim=4 * recipe.hidden_size,
            dropout=0.0,
            attention_dropout=0.0,
            initializer_range=recipe.initializer_range,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def _like_bert(recipe: Recipe, tokenizer: Any) -> dict[str, Any]:
    return _sizes(recipe) | {
        "intermediate_size": 4 * recipe.hidden_size,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "initializer_range": recipe.initializer_range,
        "pad_token_id": tokenizer.pad_token_id,
    }


def _bert(recipe: Recipe, tokenizer: Any) -> nn.Module:
    return transformers.BertForMaskedLM(transformers.BertConfig(**_like_bert(recipe, tokenizer)))


def _roberta(recipe: Recipe, tokenizer: Any) -> nn.Module:
    values = _like_bert(recipe, tokenizer) | _ends(tokenizer)
    # Positions are counted from the padding id + 1 on.
    values["max_position_embeddings"] += tokenizer.pad_token_id + 1
    return transformers.RobertaForMaskedLM(
        transformers.RobertaConfig(**values, type_vocab_size=1, layer_norm_eps=1e-5)
    )


def _opt(recipe: Recipe, tokenizer: Any) -> nn.Module:
    return transformers.OPTForCausalLM(
        transformers.OPTConfig(
            **_sizes(recipe),
            **_ends(tokenizer),
            word_embed_proj_dim=recipe.hidden_size,
            ffn_dim=4 * recipe.hidden_size,
            dropout=0.0,
            attention_dropout=0.0,
            init_std=recipe.initializer_range,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def _gpt2(recipe: Recipe, tokenizer: Any) -> nn.Module:
    values = _sizes(recipe) | _ends(tokenizer) | {"initializer_range": recipe.initializer_range}
    values |= dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0)
    if recipe.attention == "softmax":
        return transformers.GPT2LMHeadModel(transformers.GPT2Config(**values))
    return VariantGPT2LMHeadModel(VariantGPT2Config(attention=recipe.attention, **values))


def _falcon(recipe: Recipe, tokenizer: Any) -> nn.Module:
    return transformers.FalconForCausalLM(
        transformers.FalconConfig(
            **_sizes(recipe),
            **_ends(tokenizer),
            # As falcon-rw: ALiBi, one key head per query head, layers in sequence, biases.
            alibi=True,
            multi_query=False,
            parallel_attn=False,
            new_decoder_architecture=False,
            bias=True,
            hidden_dropout=0.0,
            attention_dropout=0.0,
            initializer_range=recipe.initializer_range,
        )
    )


def _llama(recipe: Recipe, tokenizer: Any) -> nn.Module:
    return transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            **_sizes(recipe),
            **_ends(tokenizer),
            # 8/3 of the width, three matrices: the same number of weights as 4 in two matrices.
            intermediate_size=round(recipe.hidden_size * 8 / 3 / 16) * 16,
            num_key_value_heads=recipe.n_heads,
            rms_norm_eps=1e-5,
            tie_word_embeddings=True,
            initializer_range=recipe.initializer_range,
            pad_token_id=None,
        )
    )


def _distilbert_head(network: Any, hidden: Tensor) -> Tensor:
    hidden = network.activation(network.vocab_transform(hidden))
    return network.vocab_projector(network.vocab_layer_norm(hidden))


def _lm_head(network: Any, hidden: Tensor) -> Tensor:
    return network.lm_head(hidden)


FAMILIES = {
    "distilbert": Family("wordpiece", "encoder", "sep", _distilbert, _distilbert_head),
    "bert": Family("wordpiece", "encoder", "sep", _bert, lambda bert, x: bert.cls(x), pairs=True),
    "roberta": Family("byte_bpe", "encoder", "sep", _roberta, _lm_head),
    "opt": Family("byte_bpe", "decoder", "bos", _opt, _lm_head),
    "gpt2": Family("byte_bpe", "decoder", "eos", _gpt2, _lm_head),
    "falcon": Family("byte_bpe", "decoder", "eos", _falcon, _lm_head),
    "llama": Family("llama_bpe", "decoder", "bos", _llama, _lm_head),
}


def layers_of(network: nn.Module) -> nn.ModuleList:
    """The list of the network's transformer layers."""
    n_layers = network.config.num_hidden_layers  # type: ignore[union-attr]
    lists = [m for m in network.modules() if isinstance(m, nn.ModuleList) and len(m) == n_layers]
    return lists[0]


def hidden_states(network: Any, family: Family, ids: Tensor, types: Tensor | None) -> Tensor:
    """Last hidden states [batch, token, hidden] of ids [batch, token].

    types: [batch, token] segment of each token, where the family has pairs.
    """
    options: dict[str, Any] = {} if types is None else {"token_type_ids": types}
    if family.kind == "decoder":
        options["use_cache"] = False
    return network.base_model(input_ids=ids, **options)[0]


def predicting(hidden: Tensor, at: Tensor | None) -> Tensor:
    """[batch, n, hidden]: the states of [batch, token, hidden] that predict a token. at: [batch, n]
    their positions; None: all except the last (next-token prediction).
    """
    if at is None:
        return hidden[:, :-1]
    return hidden.gather(1, at[..., None].expand(-1, -1, hidden.shape[-1]))


def prediction_loss(network: Any, family: Family, hidden: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy, in nats, of the hidden states [batch, n, hidden] against [batch, n]."""
    logits = family.head(network, hidden).float()
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
