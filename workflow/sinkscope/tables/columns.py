"""Columns that many tables share, each declared once."""

from __future__ import annotations

from sinkscope.tables.table import Column

MODEL = Column("String", "name of the model in the table of models")
DOCUMENT = Column("String", "name of the document")
LAYER = Column("UInt16", "layer, counted from 0")
HEAD = Column("UInt16", "head of the layer, counted from 0")
QUERY = Column("UInt32", "position of the query, counted from 0")
KEY = Column("UInt32", "position of the key, counted from 0")
TOKEN = Column("String", "the token as it is shown; ▁ is a space in front of it, ⏎ a line end")
KEY_CLASS = Column(
    "String",
    "class of the token: bos, cls, sep, eos, mask, first, terminator, punctuation, newline, space, "
    "number or word",
)

SHARE = "part of 1"  # unit of attention, and of fractions
