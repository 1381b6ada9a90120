"""Books in an R package's data: character vectors of lines, in a lazy-load file (.rdb)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from sinkscope.zoo.readers.plain import paragraphs_of

STRING_VECTOR = b"\x00\x00\x00\x10"  # R's STRSXP, without attributes
STRING = 9  # R's CHARSXP, the low byte of an element's flags
MISSING = -1


def read_rdata(data: bytes) -> list[str]:
    """Paragraphs of every vector of strings; other vectors have none."""
    return [paragraph for book in _objects(data) for paragraph in paragraphs_of(_lines(book))]


def _objects(data: bytes) -> Iterator[bytes]:
    """Each object is its size (4 bytes) and a zlib stream; objects packed otherwise end it."""
    position = 0
    while position + 4 < len(data):
        stream = zlib.decompressobj()
        try:
            yield stream.decompress(data[position + 4 :])
        except zlib.error:
            return
        position = len(data) - len(stream.unused_data)


def _lines(book: bytes) -> str:
    """The strings of the first vector, as lines."""
    start = book.find(STRING_VECTOR)
    if start < 0:
        return ""
    position = start + len(STRING_VECTOR)
    (count,) = struct.unpack_from(">i", book, position)
    position += 4
    lines: list[str] = []
    while len(lines) < count and position + 8 <= len(book):
        flags, length = struct.unpack_from(">ii", book, position)
        if flags & 0xFF != STRING:
            break
        position += 8
        lines.append(book[position : position + max(length, 0)].decode("utf-8", errors="replace"))
        position += max(length, 0) if length != MISSING else 0
    return "\n".join(lines)
