"""Paragraphs of a web page: its visible text, without code listings and navigation."""

from __future__ import annotations

import re
from typing import Any

from sinkscope.zoo.readers.plain import decoded

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
    from lxml import etree, html  # type: ignore[import-untyped]

    text = XML_DECLARATION.sub("", decoded(data))
    try:
        root = html.document_fromstring(text)
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
