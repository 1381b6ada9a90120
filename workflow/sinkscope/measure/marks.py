"""A document with its first sentence terminator exchanged for other marks, token for token."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sinkscope.extract.encode import Encoded, shown
from sinkscope.extract.pieces import pieces_of
from sinkscope.extract.sentences import end_marks
from sinkscope.keys import key_sets

MARKS = (".", "!", "?", ",")


@dataclass(frozen=True)
class Marked:
    """One document, its first terminator as several marks.

    ids: [mark, token]. marks: of every row. own: row of the text itself. key: position of the
    mark. following: position of the next terminator, None where there is none.
    """

    ids: Tensor
    marks: tuple[str, ...]
    own: int
    key: int
    following: int | None

    def tokens(self, tokenizer: Any, encoded: Encoded) -> list[list[str]]:
        """[mark][token] as they are shown. encoded: the text itself."""
        rows = [list(encoded.tokens) for _ in self.marks]
        for row, ids in zip(rows, self.ids.tolist(), strict=True):
            if ids[self.key] != encoded.ids[self.key]:
                row[self.key] = shown(tokenizer, ids[self.key])
        return rows

    @property
    def sets(self) -> list[list[int]]:
        """Key 0, the second sink, the terminator after it."""
        return [[0], [self.key], [] if self.following is None else [self.following]]


def marked(tokenizer: Any, encoded: Encoded) -> Marked | None:
    """None where no sentence of the document ends.

    A mark is exchanged as a token, so that all other tokens stay what and where they are; a mark
    that is no token of the vocabulary in the same form (`."` as `!"`) is left out. Marks of other
    scripts, and tokens of several marks (`?!`), are not exchanged: the text itself is all.
    """
    terminators = key_sets(encoded.classes)["terminator"]
    if not terminators:
        return None
    key = terminators[0]
    # Terminators that touch are the parts of one character, and what modifies it.
    later = [b for a, b in itertools.pairwise(terminators) if b > a + 1]
    held = end_marks(encoded.tokens[key])
    own = held[-1]
    ids = {own: encoded.ids[key]}
    if own in MARKS and set(held) == {own}:
        ids |= exchanged(tokenizer, encoded.ids[key], own)
    marks = tuple(sorted(ids, key=[*MARKS, own].index))
    rows = [[*encoded.ids[:key], ids[mark], *encoded.ids[key + 1 :]] for mark in marks]
    return Marked(torch.tensor(rows), marks, marks.index(own), key, later[0] if later else None)


def exchanged(tokenizer: Any, token_id: int, own: str) -> dict[str, int]:
    """Ids of the tokens that hold another of MARKS where this one holds `own`, by their mark."""
    token, text = tokenizer.convert_ids_to_tokens(token_id), pieces_of(tokenizer)[token_id].text
    others = {}
    for mark in MARKS:
        # An unknown token is the id of what a vocabulary does not have.
        other = tokenizer.convert_tokens_to_ids(token.replace(own, mark))
        if other is not None and pieces_of(tokenizer)[other].text == text.replace(own, mark):
            others[mark] = other
    return others
