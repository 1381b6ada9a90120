"""A document with its first sentence terminator exchanged for other marks, token for token."""

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
    """One document, with several marks in place of its first terminator.

    ids: [mark, token]. marks: mark of each row. own: row of the text itself. key: position of the
    mark. following: position of the next terminator, None if there is none.
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
        """Key sets: key 0, the second sink, the terminator after it."""
        return [[0], [self.key], [] if self.following is None else [self.following]]


def marked(tokenizer: Any, encoded: Encoded) -> Marked | None:
    """None if no sentence of the document ends.

    A mark is exchanged as a token: all other tokens stay the same. Left out are marks that the
    vocabulary does not have in the same form (`."` as `!"`); of marks of other scripts, and of
    tokens of several marks (`?!`), the only row is the text itself."""
    terminators = key_sets(encoded.classes)["terminator"]
    if not terminators:
        return None
    key = terminators[0]
    # Adjacent terminators are parts of one character, and its modifiers.
    later = [b for a, b in itertools.pairwise(terminators) if b > a + 1]
    marks_in_token = end_marks(encoded.tokens[key])
    own_mark = marks_in_token[-1]
    ids = {own_mark: encoded.ids[key]}
    if own_mark in MARKS and set(marks_in_token) == {own_mark}:
        ids |= exchanged(tokenizer, encoded.ids[key], own_mark)
    marks = tuple(sorted(ids, key=[*MARKS, own_mark].index))
    rows = [[*encoded.ids[:key], ids[mark], *encoded.ids[key + 1 :]] for mark in marks]
    return Marked(
        torch.tensor(rows), marks, marks.index(own_mark), key, later[0] if later else None
    )


def exchanged(tokenizer: Any, token_id: int, own_mark: str) -> dict[str, int]:
    """Mark to token id: the tokens with another of MARKS in place of `own_mark`."""
    token, text = tokenizer.convert_ids_to_tokens(token_id), pieces_of(tokenizer)[token_id].text
    others = {}
    for mark in MARKS:
        # A token that the vocabulary does not have gets the id of the unknown token.
        other = tokenizer.convert_tokens_to_ids(token.replace(own_mark, mark))
        if other is not None and pieces_of(tokenizer)[other].text == text.replace(own_mark, mark):
            others[mark] = other
    return others
