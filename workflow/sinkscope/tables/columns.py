"""Columns that many tables share, and kinds of columns, each declared once."""

from __future__ import annotations

from sinkscope.tables.table import Column

RATIO = "ratio"


def fraction(meaning: str) -> Column:
    """Attention, or another part of 1."""
    return Column("Float64", meaning, SHARE)


def text(meaning: str) -> Column:
    """A name, a token, or one of the words that the meaning lists."""
    return Column("String", meaning)


def shared(*names: str) -> dict[str, Column]:
    """Several of the columns of BY_NAME under their usual names."""
    return {name: BY_NAME[name] for name in names}


MODEL = text("name of the model in the table of models")
DOCUMENT = text("name of the document")
LAYER = Column("UInt16", "layer, counted from 0")
HEAD = Column("UInt16", "head of the layer, counted from 0")
QUERY = Column("UInt32", "position of the query, counted from 0")
KEY = Column("UInt32", "position of the key, counted from 0")
TOKEN = text("the token as it is shown; ▁ is a space in front of it, ⏎ a line end")
KEY_CLASS = text(
    "class of the token: bos, cls, sep, eos, mask, first, terminator, punctuation, newline, space, "
    "number or word"
)

BY_NAME = {
    "model": MODEL,
    "document": DOCUMENT,
    "layer": LAYER,
    "head": HEAD,
    "query": QUERY,
    "key": KEY,
    "token": TOKEN,
    "key_class": KEY_CLASS,
}

SHARE = "part of 1"  # unit of attention, and of fractions
