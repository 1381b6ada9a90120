"""Readers: from the bytes of one file of a package to its paragraphs, one per format.

Every reader is a pure function and returns text as it is in the file; `sinkscope.zoo.clean` decides
what is prose, and how it is spelled.
"""

import html
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

# Plain text: paragraphs are separated by blank lines.

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


# A dictionary in the format of the DICT servers (dictd), as sentences.

ENTRY = re.compile(r"\n(?=\S)")  # a headword starts its line, its definitions are indented
SENSE = re.compile(r"(?:^|\n)\s+(?:(?:n|v|adj|adv)\s+)?\d+:\s|(?:^|\n)\s+(?:n|v|adj|adv)\s*:\s")
REFERENCES = re.compile(r"\[(?:syn|ant|also):.*?\]", re.DOTALL)


def read_dictd(data: bytes) -> list[str]:
    """'headword: definition' for every definition.

    Synonyms repeat the definition of their meaning: only the first one is kept.
    """
    definitions: set[str] = set()
    paragraphs = []
    for entry in ENTRY.split(decoded(data)):
        headword, _, body = entry.partition("\n")
        for sense in SENSE.split("\n" + REFERENCES.sub("", body)):
            definition = " ".join(sense.translate({ord("{"): None, ord("}"): None}).split())
            if definition and definition not in definitions:
                definitions.add(definition)
                paragraphs.append(f"{headword.strip()}: {definition}")
    return paragraphs


# A web page: its visible text, without code listings and navigation.

BLOCK_TAGS = """
address article aside blockquote body caption center dd details div dl dt fieldset figcaption
figure h1 h2 h3 h4 h5 h6 header hr li main ol p section summary table tbody td tfoot th thead
title tr ul
"""
# Their content is not prose: programs, formulas, drawings, forms and navigation.
SKIPPED_TAGS = """
applet button footer form head iframe math nav noscript object pre script select style svg
template textarea
"""
BLOCKS = frozenset(BLOCK_TAGS.split())
SKIPPED = frozenset(SKIPPED_TAGS.split())
SKIPPED_CLASS = re.compile(
    r"(?:^|\s)(?:breadcrumb\S*|copyright|footer\S*|headerlink|highlight\S*|math|menu|nav\S*"
    r"|programlisting|related|screen|search\S*|sidebar\S*|sphinxsidebar\S*|toc|toctree\S*"
    r"|viewcode\S*)(?=\s|$)",
    re.IGNORECASE,
)
XML_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")


def read_html(data: bytes) -> list[str]:
    """Text of every block element in the page's order; an unreadable page has none."""
    from lxml import etree  # type: ignore[import-untyped]
    from lxml import html as markup

    text = XML_DECLARATION.sub("", decoded(data))
    try:
        root = markup.document_fromstring(text)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):
        return []  # an empty page, or one with characters that no markup may hold
    body = root.find("body")
    return _paragraphs(root if body is None else body)


def _paragraphs(root: Any) -> list[str]:
    """Without recursion: generated pages are nested deeper than Python's recursion limit."""
    from lxml import etree

    paragraphs: list[str] = []
    words: list[str] = []

    def close() -> None:
        paragraph = "".join(words).strip()
        words.clear()
        if paragraph:
            paragraphs.append(paragraph)

    walk = etree.iterwalk(root, events=("start", "end", "comment", "pi"))
    for event, element in walk:
        if event == "start":
            if _is_skipped(element):
                walk.skip_subtree()
                continue
            if element.tag in BLOCKS:
                close()
            elif element.tag == "br":
                words.append(" ")
            words.append(element.text or "")
        else:
            if event == "end" and element.tag in BLOCKS:
                close()
            if element is not root:
                words.append(element.tail or "")
    close()
    return paragraphs


def _is_skipped(element: Any) -> bool:
    return element.tag in SKIPPED or bool(SKIPPED_CLASS.search(element.get("class") or ""))


# Books in an R package's data: character vectors of lines, in a lazy-load file (.rdb).

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


# A module of the SWORD project: Bibles and commentaries, in compressed blocks.

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


READERS: dict[str, Callable[[bytes], list[str]]] = {
    "dictd": read_dictd,
    "html": read_html,
    "linked": read_linked,
    "plain": read_plain,
    "rdata": read_rdata,
    "sword": read_sword,
}
