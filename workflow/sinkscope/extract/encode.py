"""From text to tokens: ids, readable strings, key classes."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sinkscope.errors import ModelError, SinkscopeError
from sinkscope.extract.align import align
from sinkscope.extract.model import Loaded
from sinkscope.extract.pieces import Piece, pieces_of, readable, visible
from sinkscope.extract.sentences import sentence_ends
from sinkscope.extract.tokenizer import Span, check_text
from sinkscope.keys import SPECIAL_CLASSES, key_class, modifies


@dataclass(frozen=True)
class Encoded:
    """One document as a model reads it; ids, tokens and classes have one entry per token.

    n_tokens_full: length before truncation.
    """

    ids: list[int]
    tokens: list[str]
    classes: list[str]
    n_tokens_full: int

    @property
    def truncated(self) -> bool:
        return len(self.ids) < self.n_tokens_full


@dataclass(frozen=True)
class InPlace:
    """A token as part of its text. text: the characters that it stands for. shown: the same,
    readable."""

    text: str
    shown: str
    span: Span

    def holds(self, ends: Sequence[int]) -> bool:
        """Whether one of its marks ends a sentence. ends: positions in the whole text,
        ascending."""
        if self.span is None:
            return bool(sentence_ends(self.text))
        start, stop = self.span
        return bisect_left(ends, start) < bisect_left(ends, stop)


def encode(loaded: Loaded, document: str, text: str, *, truncate: bool) -> Encoded:
    """Tokenize a text; an encoder gets its mask token at the end, as in study 1.

    Raises SinkscopeError if the text is longer than the model takes (unless truncate, which drops
    tokens before the mask token, or at the end), if it gives no token, and if the tokenizer does
    not know most of it; ModelError if the model cannot take even one token of a text.
    """
    tokenizer, row = loaded.tokenizer, loaded.row
    mask = tokenizer.mask_token if loaded.family == "encoder" else None
    full_text = f"{text} {mask}" if mask else text
    ids, spans = tokenized(loaded, full_text)
    check_text(row.model, document, text, ids, spans, tokenizer, loaded.n_ids)
    pieces = pieces_of(tokenizer)
    tokens = in_place([pieces[i] for i in ids], spans, full_text)
    # Of the text alone: the mask token after the last full stop must not change what it ends.
    ends = sentence_ends(text)
    classes = classes_of(tokenizer, ids, tokens, [token.holds(ends) for token in tokens])
    if all(name in SPECIAL_CLASSES for name in classes):
        raise SinkscopeError(
            f"document '{document}': model '{row.model}' makes no token of it; add text.", document
        )
    positions = _positions_that_fit(loaded, ids, classes, truncate=truncate, document=document)
    return Encoded(
        [ids[i] for i in positions],
        [tokens[i].shown for i in positions],
        [classes[i] for i in positions],
        len(ids),
    )


def special_ids_of(tokenizer: Any) -> dict[str, int]:
    """Token id of each special class that the tokenizer has."""
    return {
        name: token_id
        for name in SPECIAL_CLASSES
        if (token_id := getattr(tokenizer, f"{name}_token_id", None)) is not None
    }


def classes_of(
    tokenizer: Any, ids: Sequence[int], tokens: Sequence[InPlace], ends_sentence: Sequence[bool]
) -> list[str]:
    """The key class of each token of one document; all three have one entry per token."""
    special_ids = special_ids_of(tokenizer)
    return [
        key_class(i, token_id, token.text, special_ids, ends_sentence=ends)
        for i, (token_id, token, ends) in enumerate(zip(ids, tokens, ends_sentence, strict=True))
    ]


def shown(tokenizer: Any, token_id: int) -> str:
    """How an entry of the vocabulary is shown; parts of characters as their bytes."""
    return pieces_of(tokenizer)[token_id].shown


def tokenized(loaded: Loaded, text: str) -> tuple[list[int], list[Span]]:
    """Ids of a text, special tokens included, and the span of each in the text.

    Raises ModelError for a tokenizer in Python that cuts characters into bytes.
    """
    tokenizer, row = loaded.tokenizer, loaded.row
    special = row.add_special_tokens != "false"
    spans: list[Span]
    if tokenizer.is_fast:
        output = tokenizer(text, add_special_tokens=special, return_offsets_mapping=True)
        ids = output["input_ids"]
        spans = [(start, end) if start < end else None for start, end in output["offset_mapping"]]
    else:
        ids = tokenizer(text, add_special_tokens=special)["input_ids"]
        pieces, specials = pieces_of(tokenizer), set(tokenizer.all_special_ids)
        if any(pieces[i].is_part for i in ids):
            raise ModelError(
                f"model '{row.model}': its tokenizer ({type(tokenizer).__name__}) cuts characters "
                "into bytes without saying where they stand in the text; add a tokenizer.json, "
                "the form of the tokenizers library, to its folder."
            )
        spans = align(["" if i in specials else pieces[i].text for i in ids], text)
    bos, cls = tokenizer.bos_token_id, tokenizer.cls_token_id
    if row.add_special_tokens == "true" and bos is not None and ids[:1] not in ([bos], [cls]):
        return [bos, *ids], [None, *spans]
    return ids, spans


def in_place(pieces: Sequence[Piece], spans: Sequence[Span], text: str) -> list[InPlace]:
    """Every piece as part of the text, completed with what only the text shows.

    A part of a character stands for the whole character, and is shown as `河[1/3]`; a modifier (an
    accent, a joiner of emoji) stands for itself and the character that it modifies.
    """
    covered = [
        range(span[0] + piece.spaces * (text[span[0]] == " "), span[1])
        if piece.is_part and span
        else range(0)
        for piece, span in zip(pieces, spans, strict=True)
    ]
    n_parts = Counter(at for places in covered for at in places)
    n_before: Counter[int] = Counter()
    tokens = []
    for piece, span, places in zip(pieces, spans, covered, strict=True):
        stands_for, to_read = piece.text or piece.shown, piece.shown
        if places and span:
            n_before.update(places)
            chars = [
                f"{visible(text[at])}[{n_before[at]}/{n_parts[at]}]"
                if n_parts[at] > 1
                else readable(text[at])
                for at in places
            ]
            to_read = readable(" " * piece.spaces) + "".join(chars)
            stands_for = text[places.start : places.stop]
        if span and all(modifies(char) for char in stands_for):
            span = modified(text, span)
            stands_for = text[slice(*span)]
        tokens.append(InPlace(stands_for, to_read, span))
    return tokens


def modified(text: str, span: tuple[int, int]) -> tuple[int, int]:
    """The span, extended to the left to the character that its content modifies."""
    start, end = span
    while start > 0 and modifies(text[start]):
        start -= 1
    return start, end


def _positions_that_fit(
    loaded: Loaded, ids: list[int], classes: list[str], *, truncate: bool, document: str
) -> list[int]:
    """Positions of the tokens that fit into the model: all, or all except the end of the text. An
    encoder keeps the special tokens after the text."""
    full, limit, model = len(ids), loaded.max_length, loaded.row.model
    if limit is None or full <= limit:
        return list(range(full))
    if not truncate:
        raise SinkscopeError(
            f"document '{document}': {full} tokens, but model '{model}' takes at most "
            f"{limit}; shorten it, leave the cell out, or set truncate: true.",
            document,
        )
    ordinary = [i for i, name in enumerate(classes) if name not in SPECIAL_CLASSES]
    front, end = ordinary[0], ordinary[-1] + 1 if loaded.family == "encoder" else full
    needed = front + 1 + full - end
    if limit < needed:
        raise ModelError(
            f"model '{model}': it takes at most {limit} tokens, but its special tokens and one of "
            f"the text are {needed}; raise its max_length."
        )
    return [*range(end - (full - limit)), *range(end, full)]
