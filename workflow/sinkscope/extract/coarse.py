"""Coarse maps: the attention of every head on few cells, in 8 bits.

The first cell is the first token alone, the most frequent sink. The others are blocks of the tokens
behind it, as many in each; a document of COARSE_CELLS tokens or fewer has one token per cell. A
query block is a mean over its queries, a key block the sum over its keys: each row still sums to 1,
and a sink among many keys keeps what it receives.
"""

import numpy as np

COARSE_CELLS = 64  # at most, per side
STEPS = 255  # of the square root of attention
FLOOR = 5e-3  # what is smaller would take most of the bytes, and is not seen on a linear scale


def edges(n_tokens: int) -> list[int]:
    """First token of each cell, and n_tokens behind them."""
    return [0, *range(1, n_tokens, size_of(n_tokens)), n_tokens]


def size_of(n_tokens: int) -> int:
    """Tokens per cell, except for the first cell and perhaps the last."""
    return max(1, -(-(n_tokens - 1) // (COARSE_CELLS - 1)))


def cell_of(token: int, n_tokens: int) -> int:
    """The cell that a token lies in."""
    return -(-token // size_of(n_tokens))


def quantised(attention: np.ndarray) -> np.ndarray:
    """uint8: round(STEPS * sqrt(attention)); 0 below FLOOR, and for NaN: no query sees the key.
    Attention above 1, which the sums of softmax alone exclude, counts as 1."""
    known = np.nan_to_num(np.clip(attention.astype(np.float32), 0, 1))
    steps = np.rint(np.sqrt(known) * STEPS)
    return np.where(known < FLOOR, 0, steps).astype(np.uint8)
