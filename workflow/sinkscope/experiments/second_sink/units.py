"""Units and columns that the tables of the second sink share."""

from __future__ import annotations

from sinkscope.tables.table import Column

COSINE = "cosine, -1 to 1"
DISTANCE = "L2 distance, 0 to 2"
RATIO = "ratio"

STATE_LAYER = Column("UInt16", "layer that the residual states enter, counted from 0")
TERMINATOR = Column(
    "UInt32",
    "position of the first terminator, the first token that ends a sentence, counted from 0",
)
