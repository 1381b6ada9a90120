"""Locate pieces in their text, for tokenizers that do not report offsets."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

REACH = 64  # characters skipped in the search for a piece, such as an unknown word


def align(pieces: Sequence[str], text: str) -> list[tuple[int, int] | None]:
    """Span [start, end) of every piece, searched in order; None for a piece that does not occur.

    Case and accents are ignored, since tokenizers may drop them. "" has no span.
    """
    letters, origin = folded(text)
    spans: list[tuple[int, int] | None] = []
    cursor = 0
    for piece in pieces:
        needle = folded(piece.strip())[0]
        at = letters.find(needle, cursor, cursor + REACH + len(needle)) if needle else -1
        if at < 0:
            spans.append(None)
            continue
        cursor = at + len(needle)
        spans.append((origin[at], origin[cursor - 1] + 1))
    return spans


def folded(text: str) -> tuple[str, list[int]]:
    """The text without case, accents and white space, and the position of each of its
    characters."""
    letters, origin = [], []
    for i, char in enumerate(text):
        for part in unicodedata.normalize("NFKD", char.casefold()):
            if not unicodedata.combining(part) and not part.isspace():
                letters.append(part)
                origin.append(i)
    return "".join(letters), origin
