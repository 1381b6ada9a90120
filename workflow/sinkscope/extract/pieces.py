"""The text of vocabulary entries, and their readable form.

Tokenizers write a space as Ġ or ▁, mark the continuation (`##ing`, `com@@`) or the end of a word
(`cat</w>`), and write bytes as other characters or as `<0xE6>`. The form is read from each."""

from __future__ import annotations

import functools
import itertools
import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sinkscope.printable import printable

BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
ANCHOR = "x"  # put on either side of a piece: a tokenizer in Python decodes whole texts only


@dataclass(frozen=True)
class Piece:
    """One entry. text: the characters that it stands for, white space included. shown: the same,
    readable. is_part: its bytes are not whole characters; its text is then "". spaces: number of
    spaces in front of such bytes."""

    text: str
    shown: str
    is_part: bool = False
    spaces: int = 0


@dataclass(frozen=True)
class Form:
    """How a tokenizer writes a space, the continuation (prefix) and the end (suffix) of a word, or
    ""."""

    is_byte_level: bool
    space: str
    prefix: str
    suffix: str


class Pieces:
    """The vocabulary of a tokenizer, read as needed: pieces[token_id] is a Piece."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._form = form_of(tokenizer.backend_tokenizer) if tokenizer.is_fast else None
        self._added = set(tokenizer.added_tokens_decoder)
        self._read: dict[int, Piece] = {}

    def __getitem__(self, token_id: int) -> Piece:
        """Raises KeyError for an id that the vocabulary does not use."""
        if token_id not in self._read:
            token = self._tokenizer.convert_ids_to_tokens(token_id)
            if token is None:
                raise KeyError(token_id)
            is_added = token_id in self._added
            self._read[token_id] = (
                self._decoded(token) if self._form is None else read(token, self._form, is_added)
            )
        return self._read[token_id]

    def _decoded(self, token: str) -> Piece:
        """The piece of a tokenizer in Python, from the tokenizer's own decoding."""
        text = self._tokenizer.convert_tokens_to_string([ANCHOR, token, ANCHOR])
        if not (len(text) > 2 and text.startswith(ANCHOR) and text.endswith(ANCHOR)):
            return Piece(token, readable(token))
        text = text[len(ANCHOR) : -len(ANCHOR)]
        if "\ufffd" in text and "\ufffd" not in token:
            return Piece("", readable(token), is_part=True)
        return Piece(text.strip() or text, readable(token))


def pieces_of(tokenizer: Any) -> Pieces:
    """The pieces of a tokenizer; pieces already read are cached for its next document."""
    return _pieces(tokenizer, len(tokenizer))


@functools.lru_cache(maxsize=2)
def _pieces(tokenizer: Any, _size: int) -> Pieces:
    """_size: part of the cache key, so that a tokenizer that has grown is read again."""
    return Pieces(tokenizer)


def read(token: str, form: Form, is_added: bool) -> Piece:
    """An entry of a fast tokenizer. is_added: added tokens are written as they are."""
    if is_added and form.is_byte_level:
        return Piece(token, readable(token))
    prefix = form.prefix if form.prefix != token and token.startswith(form.prefix) else ""
    suffix = form.suffix if form.suffix != token and token.endswith(form.suffix) else ""
    bare = token[len(prefix) : len(token) - len(suffix)]
    raw = bytes_of(bare, form)
    if raw is None:
        text = bare.replace(form.space, " ") if form.space else bare
        return Piece(text, prefix + readable(text) + suffix)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        shown = prefix + "".join(f"<0x{byte:02X}>" for byte in raw) + suffix
        return Piece("", shown, is_part=True, spaces=len(raw) - len(raw.lstrip(b" ")))
    return Piece(text, prefix + readable(text) + suffix)


def bytes_of(bare: str, form: Form) -> bytes | None:
    """The bytes of a piece; None if it is not written as bytes."""
    if not form.is_byte_level:
        match = BYTE.fullmatch(bare)
        return bytes([int(match[1], 16)]) if match else None
    table = byte_alphabet()
    return bytes(table[char] for char in bare) if all(char in table for char in bare) else None


@functools.cache
def byte_alphabet() -> dict[str, int]:
    """GPT-2's: visible bytes of Latin-1 stand for themselves, the others for U+0100 and on."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in visible]
    return {chr(byte): byte for byte in visible} | {
        chr(0x100 + i): byte for i, byte in enumerate(others)
    }


def form_of(backend: Any) -> Form:
    """The form that the model and the steps of a tokenizer of the tokenizers library declare."""
    steps = {
        name: list(_steps(getattr(backend, name)))
        for name in ("normalizer", "pre_tokenizer", "decoder")
    }
    of_type = {step["type"]: step for name in steps for step in steps[name]}
    model = backend.model
    prefix = getattr(model, "continuing_subword_prefix", None)
    suffix = getattr(model, "end_of_word_suffix", None)
    return Form(
        is_byte_level="ByteLevel" in of_type,
        space=next(_spaces(steps), ""),
        prefix=prefix or of_type.get("WordPiece", {}).get("prefix", ""),
        suffix=suffix or of_type.get("BPEDecoder", {}).get("suffix", ""),
    )


def _steps(step: Any) -> Iterator[dict[str, Any]]:
    """All parts of one step, sequences expanded; none of a step written in Python."""
    try:
        waiting = [json.loads(step.__getstate__())] if step is not None else []
    except Exception:  # the library raises a plain Exception
        return
    while waiting:
        part = waiting.pop()
        yield part
        for members in ("normalizers", "pretokenizers", "decoders"):
            waiting += part.get(members, [])


def _spaces(steps: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    """The string that stands for a space, from every step that declares one."""
    for part in (part for parts in steps.values() for part in parts):
        if part["type"] == "Metaspace":
            yield part["replacement"]
    for name, is_of_text in (("decoder", False), ("normalizer", True)):
        for part in steps[name]:
            if part["type"] == "Replace" and "String" in part["pattern"]:
                pair = part["pattern"]["String"], part["content"]
                space, other = pair if is_of_text else reversed(pair)
                if space == " " and other.strip():
                    yield other


def readable(text: str) -> str:
    """White space made visible: a space as ▁, line ends as ⏎, tabs as ⇥; controls as ␛."""
    spaced = text.replace(" ", "\u2581").replace("\n", "\u23ce").replace("\t", "\u21e5")
    return printable(spaced)


def visible(char: str) -> str:
    """A character to read: a combining mark on a circle, an invisible one as its code point."""
    kind = unicodedata.category(char)
    if kind[0] == "M":
        return f"\u25cc{char}"
    return f"U+{ord(char):04X}" if kind[0] in "CZ" else char


REACH = 64  # characters skipped in the search for a piece, such as an unknown word


def align(pieces: Sequence[str], text: str) -> list[tuple[int, int] | None]:
    """Span [start, end) of every piece, searched in order; None for a piece that does not occur,
    and for "". Case and accents are ignored, since tokenizers may drop them."""
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
    """The text without case, accents and white space; the position of each character."""
    letters, origin = [], []
    for i, char in enumerate(text):
        for part in unicodedata.normalize("NFKD", char.casefold()):
            if not unicodedata.combining(part) and not part.isspace():
                letters.append(part)
                origin.append(i)
    return "".join(letters), origin


SHORTEST_WORD = 3  # letters of a vocabulary piece that counts as a word


@functools.lru_cache(maxsize=1)
def ordinary_ids(tokenizer: Any) -> tuple[int, ...]:
    """Ids in use of vocabulary pieces that are words, or beginnings of words, of letters only."""
    pieces = pieces_of(tokenizer)
    ids = sorted(set(tokenizer.get_vocab().values()) - set(tokenizer.all_special_ids))
    texts = [pieces[i].text.strip() for i in ids]
    is_word = [one.isascii() and one.isalpha() and len(one) >= SHORTEST_WORD for one in texts]
    return tuple(itertools.compress(ids, is_word))
