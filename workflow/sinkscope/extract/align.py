"""Where the pieces of a text stand in it, for tokenizers that do not say."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

REACH = 64  # characters that are passed over in search of a piece, such as an unknown word


def align(pieces: Sequence[str], text: str) -> list[tuple[int, int] | None]:
    """Span [start, end) of every piece, searched in order; None for one that is not there.

    Neither case nor accents count: tokenizers may drop them. "" is nowhere.
    """
    letters, origin = folded(text)
    spans: list[tuple[int, int] | None] = []
    cursor = 0
    for piece in pieces:
        wanted = folded(piece.strip())[0]
        at = letters.find(wanted, cursor, cursor + REACH + len(wanted)) if wanted else -1
        if at < 0:
            spans.append(None)
            continue
        cursor = at + len(wanted)
        spans.append((origin[at], origin[cursor - 1] + 1))
    return spans


def folded(text: str) -> tuple[str, list[int]]:
    """The text without case, accents and white space, and where each of its characters was."""
    letters, origin = [], []
    for i, char in enumerate(text):
        for part in unicodedata.normalize("NFKD", char.casefold()):
            if not unicodedata.combining(part) and not part.isspace():
                letters.append(part)
                origin.append(i)
    return "".join(letters), origin
