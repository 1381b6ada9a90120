"""The quantities measured per token, and the limits of massive activations."""

QUANTITIES = ("state", "key", "value")

# An entry of a residual state is massive if its magnitude is above MASSIVE and above TIMES_MEDIAN
# times the median magnitude of its layer (Sun et al. 2024).
MASSIVE, TIMES_MEDIAN = 100.0, 1000.0
