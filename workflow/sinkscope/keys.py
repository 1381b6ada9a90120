"""Classes and sets of keys: which tokens attention is said to land on."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence

# One class per token, the first that fits; also the order of legends.
KEY_CLASSES = (
    "bos",
    "cls",
    "sep",
    "eos",
    "mask",
    "first",
    "terminator",
    "punctuation",
    "newline",
    "number",
    "word",
)
SPECIAL_CLASSES = ("bos", "cls", "sep", "eos", "mask")
TERMINATORS = frozenset(".?!")

# Widths, in tokens, of the local window around a query.
LOCAL_WIDTHS = (1, 2, 3, 4, 5)

# Key sets may overlap. `sinks` is what the local mass "without sinks" leaves out.
KEY_SETS = ("first_token", "first_four", *KEY_CLASSES, "special", "first_terminator", "sinks")


def key_class(position: int, token_id: int, text: str, special_ids: Mapping[str, int]) -> str:
    """Class of one token. text: what the token stands for, white space included.

    special_ids: token id of each special class that the tokenizer has.
    """
    for name in SPECIAL_CLASSES:
        if special_ids.get(name) == token_id:
            return name
    if position == 0:
        return "first"
    bare = text.strip()
    if bare in TERMINATORS:
        return "terminator"
    if not bare:
        return "newline" if "\n" in text else "word"
    if all(unicodedata.category(char)[0] in "PS" for char in bare):
        return "punctuation"
    if all(char.isdigit() for char in bare):
        return "number"
    return "word"


def key_sets(classes: Sequence[str]) -> dict[str, list[int]]:
    """Positions of every key set in a document, in the order of KEY_SETS; empty for a set that the
    document lacks.

    The mask token ends an encoder's document by design of the study: it is special, but
    nobody calls it a sink.
    """
    of_class = {
        name: [i for i, found in enumerate(classes) if found == name] for name in KEY_CLASSES
    }
    first_terminator = of_class["terminator"][:1]
    special = sorted(i for name in SPECIAL_CLASSES for i in of_class[name])
    sinks = {0, *special, *first_terminator} - set(of_class["mask"])
    sets = {
        "first_token": [0],
        "first_four": list(range(min(4, len(classes)))),
        **of_class,
        "special": special,
        "first_terminator": first_terminator,
        "sinks": sorted(sinks),
    }
    return {name: sets[name] for name in KEY_SETS}
