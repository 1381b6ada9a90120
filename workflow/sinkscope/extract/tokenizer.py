"""The tokenizer that belongs to a model's weights. For a folder without one the library makes one
that reads every text as unknown or as nothing; here it is an error."""

from __future__ import annotations

from collections import Counter
from typing import Any
from unicodedata import category

import numpy as np
from transformers import AutoTokenizer

from sinkscope.errors import ModelError, SinkscopeError

MOST_UNKNOWN = 0.5  # fraction of a text
# Such a vocabulary may hold one entry besides special tokens: the mark of a space.
LEAST_ENTRIES = 2


def load_tokenizer(model: str, source: str, location: str) -> Any:
    """Raises ModelError if the folder has no tokenizer, or only a part of one."""
    what = f"model '{model}': {source} has no tokenizer that can be loaded from {location}"
    remedy = "save the model's tokenizer in this folder (tokenizer.save_pretrained)."
    try:
        tokenizer = AutoTokenizer.from_pretrained(location, trust_remote_code=False)
        vocabulary = tokenizer.get_vocab()
    except Exception as error:  # the library raises many kinds for files that it cannot read
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
        if isinstance(error, ImportError):
            remedy = "install the named package, or save it as a tokenizer.json in this folder."
        raise ModelError(f"{what} ({reason}); {remedy}") from error
    if len(set(vocabulary) - set(tokenizer.all_special_tokens)) < LEAST_ENTRIES:
        raise ModelError(f"{what} (its vocabulary has special tokens only); {remedy}")
    return tokenizer


def check_fits(model: str, tokenizer: Any, n_ids: int) -> None:
    """n_ids: token ids that the network takes. Raises ModelError for another model's tokenizer.
    Added tokens may have larger ids, such as padding that no text contains: `check_text` checks
    each text."""
    added = tokenizer.added_tokens_decoder
    largest = max((i for i in tokenizer.get_vocab().values() if i not in added), default=0)
    if largest >= n_ids:
        raise ModelError(
            f"model '{model}': its tokenizer has ids up to {largest}, but the network takes ids "
            f"up to {n_ids - 1}; save the tokenizer that belongs to the weights in their folder "
            "(tokenizer.save_pretrained)."
        )


def check_text(
    model: str,
    document: str,
    text: str,
    ids: np.ndarray,
    spans: np.ndarray,
    tokenizer: Any,
    n_ids: int,
) -> None:
    """Raises SinkscopeError for a text that the tokenizer mostly does not know, and for an id that
    the network does not take. spans: [token, 2], place of each id in the text."""
    largest = ids.max(initial=0)
    if largest >= n_ids:
        raise SinkscopeError(
            f"document '{document}': the tokenizer of model '{model}' makes id {largest} of "
            f"'{tokenizer.convert_ids_to_tokens(int(largest))}', but the network takes ids up to "
            f"{n_ids - 1}; take it out of the text, or save the tokenizer that belongs to the "
            "weights.",
            document,
        )
    fraction = unknown_fraction(text, ids, spans, tokenizer)
    if fraction > MOST_UNKNOWN:
        raise SinkscopeError(
            f"document '{document}': the tokenizer of model '{model}' does not know "
            f"{fraction:.0%} of its text (the limit is {MOST_UNKNOWN:.0%}); its "
            "vocabulary lacks this script, or belongs to another model: leave the cell out, or "
            "save the model's own tokenizer in its folder.",
            document,
        )


def unknown_fraction(text: str, ids: np.ndarray, spans: np.ndarray, tokenizer: Any) -> float:
    """Fraction of a text, in visible characters, that is in no token or in the unknown one; of the
    tokens if the tokenizer, in Python, does not report offsets."""
    unknown = tokenizer.unk_token_id
    if not tokenizer.is_fast:
        specials = set(tokenizer.all_special_ids)
        of_text = [i for i in ids.tolist() if i == unknown or i not in specials]
        return of_text.count(unknown) / max(len(of_text), 1)
    known = spans if unknown is None else spans[ids != unknown]
    starts, stops = known.clip(max=len(text)).T
    n_started, n_stopped = (
        np.bincount(places, minlength=len(text) + 1).cumsum()[:-1] for places in (starts, stops)
    )
    # The characters as an array, since a slice of a string takes no mask.
    chars = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    outside = chars[n_started == n_stopped].tobytes().decode("utf-32-le", "surrogatepass")
    if not (n_outside := n_visible(outside)):
        return 0.0
    n = n_visible(text)
    return 1 - (n - n_outside) / n


def n_visible(text: str) -> int:
    """Number of characters except white space and controls, which tokenizers may drop."""
    return sum(n for char, n in Counter(text).items() if category(char)[0] not in "CZ")
