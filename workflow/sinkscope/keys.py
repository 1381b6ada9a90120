"""Classes and sets of keys: the categories of tokens that attention lands on."""

import functools
import unicodedata
from collections import defaultdict
from collections.abc import Sequence

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
    "space",
    "number",
    "word",
)
CODES = {name: code for code, name in enumerate(KEY_CLASSES)}
SPECIAL_CLASSES = ("bos", "cls", "sep", "eos", "mask")
LINE_ENDS = frozenset("\n\r\v\f\x85\u2028\u2029")

# Widths, in tokens, of the local window around a query.
LOCAL_WIDTHS = (1, 2, 3, 4, 5)

# Key sets may overlap. Those of LISTED_SETS follow from the tokens; `sinks` are the keys that the
# sink rule finds in each layer.
LISTED_SETS = (
    *("first_token", "first_four", *KEY_CLASSES, "special"),
    *("first_terminator", "listed_sinks"),
)
KEY_SETS = (*LISTED_SETS, "sinks")


@functools.lru_cache(maxsize=65_536)
def text_class(text: str, *, ends_sentence: bool = False) -> str:
    """Class of an ordinary token that is not the first. Accents and joiners count as the character
    they modify.

    text: the text of the token, white space included. ends_sentence: whether a mark in the token
    ends a sentence of the document.
    """
    categories = [
        unicodedata.category(char)
        for char in text
        if not char.isspace() and unicodedata.category(char) != "Cf"
    ]
    if not categories:
        return "newline" if LINE_ENDS & set(text) else "space"
    kinds = {category[0] for category in categories} - {"M"}
    if ends_sentence and not kinds & {"L", "N"}:
        return "terminator"
    if kinds and kinds <= {"P", "S"}:
        return "punctuation"
    return "number" if kinds == {"N"} else "word"


def modifies(char: str) -> bool:
    """Whether `char` is a combining mark, or a format character such as the joiner of emoji."""
    category = unicodedata.category(char)
    return category[0] == "M" or category == "Cf"


def key_sets(classes: Sequence[str]) -> dict[str, list[int]]:
    """Positions of each of LISTED_SETS in a document, in this order; empty where it does not occur.
    The mask token ends an encoder's document by design of the study: special, but not listed as a
    sink."""
    of_class: defaultdict[str, list[int]] = defaultdict(list)
    for i, name in enumerate(classes):
        of_class[name].append(i)
    first_terminator = of_class["terminator"][:1]
    special = sorted(i for name in SPECIAL_CLASSES for i in of_class[name])
    sinks = {0, *special, *first_terminator} - set(of_class["mask"])
    sets = {
        "first_token": [0],
        "first_four": list(range(min(4, len(classes)))),
        **of_class,
        "special": special,
        "first_terminator": first_terminator,
        "listed_sinks": sorted(sinks),
    }
    return {name: sets.get(name, []) for name in LISTED_SETS}
