"""Names that the measurement and its tables share."""

from __future__ import annotations

OWN = "own"  # in the column mark: whatever ends the first sentence of the text itself
SUMS, UNITS = "second_sink_sums", "second_sink_units"  # frames from which states are compared
STEPS = 2.0**40  # of the sums of unit vectors: up to 2^22 documents stay inside an int64
