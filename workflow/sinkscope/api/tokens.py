"""Readable tokens and key classes from the ids of a forward pass, as in the atlas.

The atlas knows the place of each token in its text. Here each part between special tokens is
decoded and tokenized again. If the tokenizer drops case or white space, pass the text itself."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from sinkscope.errors import SinkscopeError
from sinkscope.extract.encode import Encoded, aligned, classes_of, span_array, special_ids_of
from sinkscope.extract.in_place import in_place
from sinkscope.extract.pieces import Piece, pieces_of
from sinkscope.extract.sentences import sentence_ends

# Key sets that depend on positions and attention alone; all others need the tokenizer.
POSITION_SETS = ("first_token", "first_four", "sinks")


def encoded_of(
    tokenizer: Any, ids: Sequence[int], document: str, text: str | None = None
) -> Encoded:
    """The tokens of a row of a batch, without padding. text: the text that was tokenized, if known.

    Raises SinkscopeError for an id that the tokenizer does not have, and for a text that does not
    tokenize to these ids.
    """
    pieces = known_pieces(tokenizer, ids, document)
    special_ids = special_ids_of(tokenizer)
    special = set(special_ids.values())
    is_special = [token_id in special for token_id in ids]
    if text is None:
        runs = itertools.groupby(range(len(ids)), is_special.__getitem__)
        parts = [list(run) for of_special, run in runs if not of_special]
    else:
        parts = [[i for i, of_special in enumerate(is_special) if not of_special]]
    of_ids = np.array(ids, dtype=np.int64)
    shown = np.array([piece.shown for piece in pieces], dtype=object)
    codes = np.zeros(len(ids), np.int8)  # those of special tokens are not read
    for part in parts:
        part_ids = [ids[i] for i in part]
        part_text = decoded(tokenizer, part_ids) if text is None else text
        spans = spans_of(tokenizer, part_ids, [pieces[i] for i in part], part_text)
        if text is not None and spans is None:
            raise SinkscopeError(
                f"document '{document}': its text does not give the ids that the model was given; "
                "name the texts in the order of the rows, as they were tokenized."
            )
        if spans is None:
            spans = aligned([pieces[i].text for i in part], part_text)
        ends = sentence_ends(part_text)
        shown[part], codes[part] = in_place(tokenizer, of_ids[part], spans, part_text, ends)
    classes = classes_of(of_ids, codes, special_ids)
    return Encoded(list(ids), shown.tolist(), classes, len(ids))


def known_pieces(tokenizer: Any, ids: Sequence[int], document: str) -> list[Piece]:
    pieces = pieces_of(tokenizer)
    try:
        return [pieces[i] for i in ids]
    except (KeyError, IndexError, OverflowError) as error:
        raise SinkscopeError(
            f"document '{document}': the tokenizer has no token {error}, which the model was "
            "given; pass the tokenizer that belongs to the model."
        ) from error


def decoded(tokenizer: Any, ids: Sequence[int]) -> str:
    options = {"skip_special_tokens": False, "clean_up_tokenization_spaces": False}
    return tokenizer.decode(ids, **options)


def spans_of(
    tokenizer: Any, ids: Sequence[int], pieces: Sequence[Piece], text: str
) -> np.ndarray | None:
    """[token, 2]: the span of each token in the text; None if the text does not tokenize to these
    ids. A truncated row has the first ids of its text."""
    if not tokenizer.is_fast:
        of_text = tokenizer(text, add_special_tokens=False)["input_ids"][: len(ids)]
        if of_text != list(ids):
            return None
        return aligned([piece.text for piece in pieces], text)
    of_text = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    if of_text["input_ids"][: len(ids)] != list(ids):
        return None
    return span_array(of_text["offset_mapping"][: len(ids)])


def nameless(ids: Sequence[int], tokens: Sequence[str] | None) -> Encoded:
    """A row without a tokenizer: the given tokens, or its ids as strings, and no classes."""
    names = [str(token_id) for token_id in ids] if tokens is None else list(tokens)
    return Encoded(list(ids), names, [None] * len(names), len(names))  # type: ignore[list-item]
