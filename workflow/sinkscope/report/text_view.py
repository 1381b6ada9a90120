"""The text of a document with its tokens shaded by the attention that they receive in a layer."""

from dataclasses import dataclass

import numpy as np

from sinkscope.extract.cell import Cell
from sinkscope.extract.pieces import align
from sinkscope.keys import SPECIAL_CLASSES

FULL = 0.5  # part of the layer's attention that has the full colour
MARKS = {"\u2581": " ", "\u23ce": "\n", "\u21e5": "\t"}  # of extract.pieces.readable
NAMED = 3  # tokens whose share is written beside them, at most
LEAST_NAMED = 0.03


@dataclass(frozen=True)
class Part:
    """A token, or the text between two. text: as the document has it; part: of the layer's
    attention, mean over heads and queries, None between tokens; shade: 0 to 1; is_named: whether
    its part is worth a number beside it."""

    text: str
    part: float | None = None
    shade: float = 0.0
    is_named: bool = False
    is_special: bool = False


def received(cell: Cell) -> np.ndarray:
    """[layer, key]: the part of all attention of the layer that each key receives, mean over heads
    and all queries; divided by the mean sum of a row, which is 1 for softmax."""
    scores = np.nan_to_num(cell["sink_score"].astype(np.float64)).mean(1)
    mass = scores * cell["n_queries"] / cell.n_tokens
    return mass / cell["row_sum"].astype(np.float64).mean(1)[:, None]


def shaded(cell: Cell, layer: int, text: str) -> list[Part]:
    """The document's text in parts. layer: the model's number of a layer with attention.

    A special token that is not in the text is shown by name, and one of white space alone by its
    mark if it is worth a number.
    """
    mass = received(cell)[cell.layers.index(layer)]
    order = np.argsort(-mass, kind="stable")[:NAMED]
    named = {int(key) for key in order if mass[key] >= LEAST_NAMED}
    classes = cell.meta["classes"]
    is_special = [name in SPECIAL_CLASSES for name in classes]
    pieces = [
        "" if special else plain(token)
        for token, special in zip(cell.meta["tokens"], is_special, strict=True)
    ]
    parts, end = [], 0
    for key, span in enumerate(align(pieces, text)):
        token, value = cell.meta["tokens"][key], float(mass[key])
        shade = min(1.0, value / FULL)
        if span is None:
            if is_special[key] or key in named:
                parts.append(Part(token, value, shade, key in named, is_special[key]))
            continue
        start, stop = max(span[0], end), max(span[1], end)
        if start > end:
            parts.append(Part(text[end:start]))
        if stop > start:
            parts.append(Part(text[start:stop], value, shade, key in named))
        end = max(end, stop)
    if text[end:]:
        parts.append(Part(text[end:]))
    return parts


def plain(token: str) -> str:
    """A readable token without the marks of white space and of a continued word."""
    for mark, character in MARKS.items():
        token = token.replace(mark, character)
    return token.removeprefix("##")
