"""Text of a module of the SWORD project: Bibles and commentaries, in compressed blocks."""

from __future__ import annotations

import html
import re
import zlib
from collections.abc import Iterator

STREAM = b"\x78\x9c"  # how a zlib stream of the usual level starts; blocks have padding between
NOTES = re.compile(r"<(note|title)\b[^>]*(?<!/)>.*?</\1>", re.DOTALL)
BREAK = re.compile(r"</?(?:chapter|div|item|lg|list|milestone|p|title)\b[^>]*>")
LINE = re.compile(r"</?(?:l|lb)\b[^>]*>")
MARK = re.compile(r"<[^>]*>")


def read_sword(data: bytes) -> list[str]:
    """Paragraphs of the blocks of a .bzz or .czz file, without foot notes and headings.

    The index of verses is not needed: the blocks hold the running text in order.
    """
    paragraphs = []
    for block in _blocks(data):
        text = NOTES.sub("\n\n", block.decode("utf-8", errors="replace"))
        text = MARK.sub("", LINE.sub(" ", BREAK.sub("\n\n", text)))
        paragraphs += [html.unescape(part).strip() for part in re.split(r"\n\s*\n", text)]
    return [paragraph for paragraph in paragraphs if paragraph]


def _blocks(data: bytes) -> Iterator[bytes]:
    position = data.find(STREAM)
    while position >= 0:
        stream = zlib.decompressobj()
        try:
            yield stream.decompress(data[position:])
            position = len(data) - len(stream.unused_data)
        except zlib.error:
            position += 1  # these two bytes belonged to something else
        position = data.find(STREAM, position)
