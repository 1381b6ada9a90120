"""Ordinary words of a vocabulary, from which random inputs are composed."""

from __future__ import annotations

import functools
from typing import Any

from sinkscope.extract.pieces import pieces_of

SHORTEST_WORD = 3  # letters of a vocabulary piece that counts as a word


@functools.lru_cache(maxsize=1)
def ordinary_ids(tokenizer: Any) -> tuple[int, ...]:
    """Ids of vocabulary pieces that are words, or beginnings of words, of letters only.

    Ids that the vocabulary does not use are left out.
    """
    special, pieces = set(tokenizer.all_special_ids), pieces_of(tokenizer)
    texts = {
        i: pieces[i].text.strip()
        for i in sorted(tokenizer.get_vocab().values())
        if i not in special
    }
    return tuple(
        i
        for i, text in texts.items()
        if text.isascii() and text.isalpha() and len(text) >= SHORTEST_WORD
    )
