"""Columns that many tables share, each declared once."""

from __future__ import annotations

import polars as pl

from sinkscope.tables.table import Column

MODEL = Column(pl.String, "name of the model in the table of models")
DOCUMENT = Column(pl.String, "name of the document")
LAYER = Column(pl.UInt16, "layer, counted from 0")
HEAD = Column(pl.UInt16, "head of the layer, counted from 0")
QUERY = Column(pl.UInt32, "position of the query, counted from 0")
KEY = Column(pl.UInt32, "position of the key, counted from 0")
TOKEN = Column(pl.String, "the token as it is shown; ▁ is a space in front of it, ⏎ a line end")
KEY_CLASS = Column(
    pl.String,
    "class of the token: bos, cls, sep, eos, mask, first, terminator, punctuation, newline, space, "
    "number or word",
)
KEY_SET = Column(pl.String, "set of keys that the attention is summed over")

SHARE = "part of 1"  # unit of attention, and of fractions
