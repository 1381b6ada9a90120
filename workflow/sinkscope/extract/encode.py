"""From text to tokens: ids, readable strings, key classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tokenizers import decoders

from sinkscope.errors import SinkscopeError
from sinkscope.extract.model import Loaded
from sinkscope.keys import SPECIAL_CLASSES, key_class


@dataclass(frozen=True)
class Encoded:
    """One document as a model reads it; ids, tokens and classes have one entry a token.

    n_tokens_full: length before truncation.
    """

    ids: list[int]
    tokens: list[str]
    classes: list[str]
    n_tokens_full: int

    @property
    def truncated(self) -> bool:
        return len(self.ids) < self.n_tokens_full


def encode(loaded: Loaded, document: str, text: str, *, truncate: bool) -> Encoded:
    """Tokenize a text; an encoder gets its mask token at the end, as in study 1.

    Raises SinkscopeError where the text is longer than the model takes (unless truncate,
    which drops tokens before the mask token, or at the end), and where it gives no token.
    """
    tokenizer, row = loaded.tokenizer, loaded.row
    mask = tokenizer.mask_token if loaded.family == "encoder" else None
    special = row.add_special_tokens != "false"
    ids = tokenizer(f"{text} {mask}" if mask else text, add_special_tokens=special)["input_ids"]
    bos, cls = tokenizer.bos_token_id, tokenizer.cls_token_id
    if row.add_special_tokens == "true" and bos is not None and ids[:1] not in ([bos], [cls]):
        ids = [bos, *ids]
    full, limit = len(ids), loaded.max_length
    if limit is not None and full > limit:
        if not truncate:
            raise SinkscopeError(
                f"document '{document}': {full} tokens, but model '{row.model}' takes at most "
                f"{limit}; shorten it, leave the cell out, or set truncate: true."
            )
        ids = _cut(ids, full - limit, tokenizer.mask_token_id if mask else None)
    pieces = tokenizer.convert_ids_to_tokens(ids)
    special_pieces = set(tokenizer.all_special_tokens)
    texts = [piece if piece in special_pieces else piece_text(tokenizer, piece) for piece in pieces]
    special_ids = {
        name: token_id
        for name in SPECIAL_CLASSES
        if (token_id := getattr(tokenizer, f"{name}_token_id", None)) is not None
    }
    classes = [
        key_class(i, token_id, text, special_ids)
        for i, (token_id, text) in enumerate(zip(ids, texts, strict=True))
    ]
    if all(name in SPECIAL_CLASSES for name in classes):
        raise SinkscopeError(
            f"document '{document}': model '{row.model}' makes no token of it; add text."
        )
    tokens = [
        piece if piece.startswith("##") else _readable(text)
        for piece, text in zip(pieces, texts, strict=True)
    ]
    return Encoded(ids, tokens, classes, full)


def _cut(ids: list[int], excess: int, mask_id: int | None) -> list[int]:
    """Drop `excess` tokens from the end of the text, before the mask token if there is one."""
    end = len(ids)
    if mask_id is not None and mask_id in ids:
        end -= ids[::-1].index(mask_id) + 1
    return ids[: end - excess] + ids[end:]


def piece_text(tokenizer: Any, piece: str) -> str:
    """What a vocabulary piece stands for: `Ġthe` and `▁the` are ` the`, `##ing` is `ing`."""
    backend = tokenizer.backend_tokenizer
    if type(backend.model).__name__ == "WordPiece":
        return piece.removeprefix("##")
    if "ByteLevel" in str(backend.decoder):
        decoded = decoders.ByteLevel().decode([piece])
        # Part of a character: its bytes alone are no text, the piece itself tells them apart.
        return piece if "\ufffd" in decoded else decoded
    return piece.replace("\u2581", " ").replace("<0x0A>", "\n")


def _readable(text: str) -> str:
    """White space made visible: a leading space as ▁, line ends as ⏎, tabs as ⇥."""
    return text.replace(" ", "\u2581").replace("\n", "\u23ce").replace("\t", "\u21e5")


def shown(tokenizer: Any, token_id: int) -> str:
    """A vocabulary id as it is shown."""
    piece = tokenizer.convert_ids_to_tokens(token_id)
    return piece if piece.startswith("##") else _readable(piece_text(tokenizer, piece))
