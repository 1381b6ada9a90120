"""Tokens as parts of their text: how each is shown, and the class of its text.

Both follow from the token's id, except for two kinds of tokens, which are read one by one: parts of
characters and modifiers (accents, joiners of emoji).
"""

from __future__ import annotations

import functools
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from sinkscope.extract.pieces import Piece, Pieces, pieces_of, readable, visible
from sinkscope.extract.sentences import sentence_ends
from sinkscope.keys import CODES, modifies, text_class

# One vocabulary entry. code, code_at_end: its class (position in KEY_CLASSES) if it does not hold
# the end of a sentence, and if it does. ends_alone: whether its text, alone, ends a sentence.
# by_text: whether it must be read together with the document.
ENTRY = np.dtype(
    [
        ("is_read", "?"),
        ("shown", "O"),
        ("code", "i1"),
        ("code_at_end", "i1"),
        ("ends_alone", "?"),
        ("by_text", "?"),
    ]
)


class Entries:
    """The vocabulary of a tokenizer, read as needed: entries[ids] has one ENTRY per id."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._rows = np.zeros(0, ENTRY)

    def __getitem__(self, ids: np.ndarray) -> np.ndarray:
        """Raises KeyError for an id that the vocabulary does not use."""
        rows = self._rows  # a local name: other threads may replace the array
        if len(ids) and ids.max() >= len(rows):
            longer = np.zeros(max(ids.max() + 1, 2 * len(rows)), ENTRY)
            longer[: len(rows)] = rows
            rows = longer
        for token_id in set(ids[~rows["is_read"][ids]].tolist()):
            rows[token_id] = _entry(self._pieces[token_id])
        self._rows = rows
        return rows[ids]


entries_of = functools.lru_cache(maxsize=2)(Entries)


def _entry(piece: Piece) -> tuple[Any, ...]:
    text = piece.text or piece.shown
    codes = (CODES[text_class(text, ends_sentence=at_end)] for at_end in (False, True))
    by_text = piece.is_part or all(modifies(char) for char in text)
    return True, piece.shown, *codes, bool(sentence_ends(text)), by_text


def in_place(
    tokenizer: Any, ids: np.ndarray, spans: np.ndarray, text: str, ends: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """How each token is shown, [token] objects, and its code, [token] int8: the position in
    KEY_CLASSES of the class of its text. ids: [token]. spans: [token, 2], start and stop in the
    text, equal without a place there. ends: ascending positions of the marks that end a
    sentence."""
    pieces = pieces_of(tokenizer)
    entries = entries_of(pieces)[ids]
    starts, stops = spans.T
    has_place = starts < stops
    holds_end = np.searchsorted(ends, starts) < np.searchsorted(ends, stops)
    holds_end = np.where(has_place, holds_end, entries["ends_alone"])
    codes = np.where(holds_end, entries["code_at_end"], entries["code"])
    shown = entries["shown"].copy()
    by_text = np.flatnonzero(entries["by_text"] & has_place)
    of_text = [pieces[i] for i in ids[by_text].tolist()]
    read = completed(of_text, spans[by_text].tolist(), text)
    for i, (stands_for, to_read, (start, stop)) in zip(by_text.tolist(), read, strict=True):
        shown[i] = to_read
        at_end = bisect_left(ends, start) < bisect_left(ends, stop)
        codes[i] = CODES[text_class(stands_for, ends_sentence=at_end)]
    return shown, codes


def completed(
    pieces: Sequence[Piece], spans: Sequence[Sequence[int]], text: str
) -> Iterator[tuple[str, str, tuple[int, int]]]:
    """The characters that each piece stands for, how it is shown, and the span of its characters. A
    part of a character stands for all of it, and is shown as `河[1/3]`; a modifier (an accent, a
    joiner of emoji) for itself and what it modifies. pieces: only parts and modifiers."""
    covered = [
        range(start + piece.spaces * (text[start] == " "), stop) if piece.is_part else range(0)
        for piece, (start, stop) in zip(pieces, spans, strict=True)
    ]
    n_parts = Counter(at for places in covered for at in places)
    n_before: Counter[int] = Counter()
    for piece, (start, stop), places in zip(pieces, spans, covered, strict=True):
        stands_for, to_read = piece.text or piece.shown, piece.shown
        if places:
            n_before.update(places)
            chars = [
                f"{visible(text[at])}[{n_before[at]}/{n_parts[at]}]"
                if n_parts[at] > 1
                else readable(text[at])
                for at in places
            ]
            to_read = readable(" " * piece.spaces) + "".join(chars)
            stands_for = text[places.start : places.stop]
        if all(modifies(char) for char in stands_for):
            start, stop = modified(text, (start, stop))
            stands_for = text[start:stop]
        yield stands_for, to_read, (start, stop)


def modified(text: str, span: tuple[int, int]) -> tuple[int, int]:
    """The span, extended to the left to the character that its content modifies."""
    start, stop = span
    while start > 0 and modifies(text[start]):
        start -= 1
    return start, stop
