"""What is measured of tokens, and what counts as massive."""

from __future__ import annotations

QUANTITIES = ("state", "key", "value")

# An entry of a residual state is massive if its magnitude is over both: an absolute number, and
# so many times the median magnitude of its layer (Sun et al. 2024).
MASSIVE, TIMES_MEDIAN = 100.0, 1000.0
