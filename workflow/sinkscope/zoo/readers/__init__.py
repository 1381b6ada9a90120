"""Readers: from the bytes of one file of a package to its paragraphs, one module per format.

Every reader is a pure function and returns text as it is in the file; `sinkscope.zoo.clean` decides
what is prose, and how it is spelled.
"""

from __future__ import annotations

from collections.abc import Callable

from sinkscope.zoo.readers.dictd import read_dictd
from sinkscope.zoo.readers.html import read_html
from sinkscope.zoo.readers.plain import read_linked, read_plain
from sinkscope.zoo.readers.rdata import read_rdata
from sinkscope.zoo.readers.sword import read_sword

Reader = Callable[[bytes], list[str]]

READERS: dict[str, Reader] = {
    "dictd": read_dictd,
    "html": read_html,
    "linked": read_linked,
    "plain": read_plain,
    "rdata": read_rdata,
    "sword": read_sword,
}
