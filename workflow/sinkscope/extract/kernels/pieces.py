"""In which parts head means are reduced."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import triton
from torch import Tensor

from sinkscope.extract.kernels.inputs import pinned

QUERIES, SIZE = 8, 1024  # queries, and head means, that a program reduces at a time
SPAN = 8  # so many times


class Axis:
    """n_tokens lie in cells of the map, and cells in pieces of at most `size` tokens: as many for
    each cell, n in all, of which some may be empty. begin, end: int [piece]."""

    def __init__(self, n_tokens: int, n_cells: int, largest: int) -> None:
        borders = np.arange(n_cells + 1) * n_tokens // n_cells
        widest = triton.cdiv(n_tokens, n_cells)
        self.size = min(largest, triton.next_power_of_2(widest))
        self.per_cell = triton.cdiv(widest, self.size)
        inside = np.arange(self.per_cell + 1) * self.size
        both = np.minimum(borders[:-1, None] + inside, borders[1:, None])  # [cell, border]
        self.begin, self.end = both[:, :-1].reshape(-1), both[:, 1:].reshape(-1)
        self.n, self.cell_sizes = len(self.begin), np.diff(borders)


@dataclass(frozen=True)
class Pieces:
    """of_rows: int32 [row piece, 3], first and last query, and how many pieces of keys its last
    query sees; of_keys: int32 [key piece, 2]; share: [cell], one over its number of tokens."""

    rows: Axis
    keys: Axis
    of_rows: Tensor
    of_keys: Tensor
    share: Tensor

    def band(self, queries: range) -> range:
        """The pieces of rows in which the queries lie."""
        first, last = np.searchsorted(self.rows.end, [queries.start, queries.stop - 1], "right")
        return range(int(first), int(last) + 1)


@lru_cache(maxsize=64)
def pieces(
    n_tokens: int, n_cells: int, device: torch.device, *, exact: bool, is_causal: bool
) -> Pieces:
    """The pieces of a map of n_cells x n_cells; exact: of one that is not reduced."""
    rows = Axis(n_tokens, triton.cdiv(n_tokens, QUERIES) if exact else n_cells, QUERIES)
    keys = Axis(n_tokens, n_cells, SIZE // rows.size)
    n_seen = np.searchsorted(keys.begin, rows.end) if is_causal else np.full(rows.n, keys.n)
    tables = [
        np.stack([rows.begin, rows.end, n_seen], 1).astype(np.int32),
        np.stack([keys.begin, keys.end], 1).astype(np.int32),
        (1 / keys.cell_sizes).astype(np.float32),
    ]
    return Pieces(rows, keys, *(pinned(torch.from_numpy(table), device) for table in tables))
