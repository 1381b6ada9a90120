"""Paragraphs of a plain text, separated by blank lines."""

from __future__ import annotations

import re

BLANK_LINES = re.compile(r"\n[^\S\n]*\n")
EMPHASIS = re.compile(
    r"(?<!\w)_([^_\n]+(?:\n[^_\n]+)?)_(?!\w)"
)  # _italics_ as typed books mark them
LINK = re.compile(r"\{([^{}]+)\}")


def read_plain(data: bytes) -> list[str]:
    """Paragraphs of a text in UTF-8, or else in Windows-1252 as many old ones are."""
    return paragraphs_of(decoded(data))


def read_linked(data: bytes) -> list[str]:
    """Paragraphs of a text that puts cross references {in braces}, as the Jargon File does."""
    return [LINK.sub(r"\1", paragraph) for paragraph in read_plain(data)]


def paragraphs_of(text: str) -> list[str]:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    paragraphs = (EMPHASIS.sub(r"\1", part).strip() for part in BLANK_LINES.split(text))
    return [paragraph for paragraph in paragraphs if paragraph]


def decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")
