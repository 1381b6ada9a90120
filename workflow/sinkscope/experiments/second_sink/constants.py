"""Names that the measurement and its tables share."""

from __future__ import annotations

OWN = "own"  # in the column mark: the mark that ends the first sentence of the text itself
SUMS, UNITS = "second_sink_sums", "second_sink_units"  # frames from which states are compared
STEPS = 2.0**40  # per unit in the sums of unit vectors: 2^22 documents fit into an int64
