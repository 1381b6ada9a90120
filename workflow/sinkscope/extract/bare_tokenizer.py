"""A tokenizer from a tokenizer.json alone, as packages for other runtimes carry it."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from sinkscope.errors import ModelError

SPECIALS = {
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
}


def bare_tokenizer(model: str, path: Path, longest: int) -> PreTrainedTokenizerFast:
    """The tokenizer of a model of BERT's kind, for texts of up to `longest` tokens.

    Truncation and padding that the file sets for its own application are removed. The roles of the
    special tokens are not in the file and are declared here. Raises ModelError if the file cannot
    be read or lacks a special token.
    """
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises no narrower class
        raise ModelError(
            f"model '{model}': {path} cannot be read as a tokenizer ({error}); install its "
            "package again."
        ) from error
    missing = [token for token in SPECIALS.values() if tokenizer.token_to_id(token) is None]
    if missing:
        raise ModelError(
            f"model '{model}': {path} has no token '{missing[0]}', which a tokenizer of BERT's "
            "kind has; choose another model."
        )
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=longest,
        model_input_names=["input_ids", "attention_mask"],
        **SPECIALS,
    )
