"""From text to tokens: ids, readable strings, key classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from sinkscope.errors import ModelError, SinkscopeError
from sinkscope.extract.in_place import in_place
from sinkscope.extract.model import Loaded
from sinkscope.extract.pieces import align, pieces_of
from sinkscope.extract.sentences import sentence_ends
from sinkscope.extract.tokenizer import check_text
from sinkscope.keys import CODES, KEY_CLASSES, SPECIAL_CLASSES

CLASS_NAMES = np.array(KEY_CLASSES, dtype=object)


@dataclass(frozen=True)
class Encoded:
    """One document as a model reads it; ids, tokens, classes and gaps have one entry per token.
    n_tokens_full: length before truncation. gaps: characters, most often a space, between a token
    and the one before it; None where they are unknown."""

    ids: list[int]
    tokens: list[str]
    classes: list[str]
    n_tokens_full: int
    gaps: list[str] | None = None

    @property
    def truncated(self) -> bool:
        return len(self.ids) < self.n_tokens_full


def encode(loaded: Loaded, document: str, text: str, *, truncate: bool) -> Encoded:
    """Tokenize a text; an encoder gets its mask token at the end, as in study 1.

    Raises SinkscopeError if the text is longer than the model takes (unless truncate, which drops
    tokens before the mask token, or at the end), if it gives no token, and if the tokenizer does
    not know most of it; ModelError if the model cannot take even one token of a text.
    """
    (encoded,) = encode_all(loaded, [(document, text)], truncate=truncate)
    if isinstance(encoded, SinkscopeError):
        raise encoded
    return encoded


def encode_all(
    loaded: Loaded, documents: Sequence[tuple[str, str]], *, truncate: bool
) -> list[Encoded | SinkscopeError]:
    """Tokenize documents (name, text) together, in threads of the tokenizers library; an error is
    returned in the place of its document."""
    mask = loaded.tokenizer.mask_token if loaded.family == "encoder" else None
    texts = [f"{text} {mask}" if mask else text for _, text in documents]
    special_ids = special_ids_of(loaded.tokenizer)
    results: list[Encoded | SinkscopeError] = []
    for (document, text), full_text, (ids, offsets) in zip(
        documents, texts, tokenized(loaded, texts), strict=True
    ):
        try:
            spans = spans_of(loaded, ids, offsets, full_text)
            whole = _whole(loaded, document, text, full_text, ids, spans, special_ids)
            results.append(_fitting(loaded, document, whole, truncate=truncate))
        except SinkscopeError as error:
            results.append(error)
    return results


def _whole(
    loaded: Loaded,
    document: str,
    text: str,
    full_text: str,
    ids: list[int],
    spans: np.ndarray,
    special_ids: Mapping[str, int],
) -> Encoded:
    """A document before truncation. full_text: with the mask token. spans: [token, 2]."""
    tokenizer, model = loaded.tokenizer, loaded.row.model
    if loaded.row.add_special_tokens == "true":
        bos, cls = tokenizer.bos_token_id, tokenizer.cls_token_id
        if bos is not None and ids[:1] not in ([bos], [cls]):
            ids, spans = [bos, *ids], np.pad(spans, ((1, 0), (0, 0)))
    of_ids = np.array(ids, dtype=np.int64)
    check_text(model, document, text, of_ids, spans, tokenizer, loaded.n_ids)
    # Of the text alone: the mask token after the last full stop must not change what it ends.
    shown, codes = in_place(tokenizer, of_ids, spans, full_text, sentence_ends(text))
    classes = classes_of(of_ids, codes, special_ids)
    if all(name in SPECIAL_CLASSES for name in classes):
        raise SinkscopeError(
            f"document '{document}': model '{model}' reads no token in it; add text.", document
        )
    return Encoded(ids, shown.tolist(), classes, len(ids), gaps_of(spans, full_text))


def gaps_of(spans: np.ndarray, text: str) -> list[str]:
    """Of each token the characters between it and those before it. spans: [token, 2]."""
    starts, ends = spans.T
    reached = np.concatenate([[0], np.maximum.accumulate(ends)])[:-1]
    gaps = [""] * len(spans)
    for i in np.flatnonzero((starts > reached) & (ends > starts)):
        gaps[i] = text[reached[i] : starts[i]]
    return gaps


def special_ids_of(tokenizer: Any) -> dict[str, int]:
    """Token id of each special class that the tokenizer has."""
    return {
        name: token_id
        for name in SPECIAL_CLASSES
        if (token_id := getattr(tokenizer, f"{name}_token_id", None)) is not None
    }


def classes_of(ids: np.ndarray, codes: np.ndarray, special_ids: Mapping[str, int]) -> list[str]:
    """The key class of each token of one document. ids: [token]. codes: [token], of the class that
    each has as an ordinary token that is not the first."""
    codes = codes.copy()
    codes[:1] = CODES["first"]
    for name in reversed(SPECIAL_CLASSES):  # of a token's roles, the first counts
        if name in special_ids:
            codes[ids == special_ids[name]] = CODES[name]
    return list(CLASS_NAMES[codes].tolist())


def shown(tokenizer: Any, token_id: int) -> str:
    """The readable form of a vocabulary entry; parts of characters as their bytes."""
    return pieces_of(tokenizer)[token_id].shown


def tokenized(
    loaded: Loaded, texts: Sequence[str]
) -> list[tuple[list[int], list[tuple[int, int]] | None]]:
    """Of each text the ids, special ones included, and offsets; None for a tokenizer in Python."""
    tokenizer, special = loaded.tokenizer, loaded.row.add_special_tokens != "false"
    if not tokenizer.is_fast:
        return [(tokenizer(text, add_special_tokens=special)["input_ids"], None) for text in texts]
    output = tokenizer(
        list(texts),
        add_special_tokens=special,
        return_offsets_mapping=True,
        return_attention_mask=False,
        return_token_type_ids=False,
    )
    return list(zip(output["input_ids"], output["offset_mapping"], strict=True))


def spans_of(
    loaded: Loaded, ids: list[int], offsets: list[tuple[int, int]] | None, text: str
) -> np.ndarray:
    """[token, 2]: the span of each token in the text; 0, 0 without a place there. Raises ModelError
    for a tokenizer in Python that cuts characters into bytes."""
    if offsets is not None:
        return span_array(offsets)
    tokenizer = loaded.tokenizer
    pieces, specials = pieces_of(tokenizer), set(tokenizer.all_special_ids)
    if any(pieces[i].is_part for i in ids):
        raise ModelError(
            f"model '{loaded.row.model}': its tokenizer ({type(tokenizer).__name__}) splits "
            "characters into bytes without offsets in the text; add a tokenizer.json "
            "(tokenizers library) to its folder."
        )
    return aligned(["" if i in specials else pieces[i].text for i in ids], text)


def aligned(pieces: Sequence[str], text: str) -> np.ndarray:
    """[token, 2]: the span of each piece, searched for in the text."""
    return span_array([span or (0, 0) for span in align(pieces, text)])


def span_array(spans: Sequence[tuple[int, int]]) -> np.ndarray:
    """[token, 2]. Twice as fast as np.array of the list."""
    return np.fromiter(chain.from_iterable(spans), np.int64, 2 * len(spans)).reshape(-1, 2)


def _fitting(loaded: Loaded, document: str, whole: Encoded, *, truncate: bool) -> Encoded:
    """The tokens that fit into the model: all, or all except the end of the text."""
    full, limit, model = len(whole.ids), loaded.max_length, loaded.row.model
    if limit is None or full <= limit:
        return whole
    if not truncate:
        raise SinkscopeError(
            f"document '{document}': {full} tokens, but model '{model}' takes at most "
            f"{limit}; shorten it, leave the cell out, or set truncate: true.",
            document,
        )
    ordinary = [i for i, name in enumerate(whole.classes) if name not in SPECIAL_CLASSES]
    front, end = ordinary[0], ordinary[-1] + 1 if loaded.family == "encoder" else full
    needed = front + 1 + full - end
    if limit < needed:
        raise ModelError(
            f"model '{model}': it takes at most {limit} tokens, but its special tokens and one "
            f"token of text are {needed}; raise its max_length."
        )
    stop = end - (full - limit)
    return Encoded(
        whole.ids[:stop] + whole.ids[end:],
        whole.tokens[:stop] + whole.tokens[end:],
        whole.classes[:stop] + whole.classes[end:],
        full,
        whole.gaps and whole.gaps[:stop] + whole.gaps[end:],
    )
