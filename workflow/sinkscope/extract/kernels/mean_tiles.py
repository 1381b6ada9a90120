"""Tiles of head means for the means kernel; no tile crosses a map cell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import triton
from torch import Tensor

from sinkscope.extract.constants import constant, kept
from sinkscope.extract.kernels.packs import Segments

QUERIES = 8  # most queries per tile
SIZE = 1024  # head means that a program reads at a time
SPAN = 8  # times that it reads so many


class Axis:
    """One axis of a map: n_tokens tokens in n_cells cells. Each cell is split into the same number
    of segments, of at most `size` tokens each; some segments may be empty. begin, end: int
    [segment]; n: number of segments; cell_sizes: tokens per cell."""

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
class MeanTiles:
    """A tile is a row segment x a key segment. segments: for the kernel, with rows: int32 [row
    segment, 3], first query, query after the last, and number of key segments that the last query
    sees; keys: int32 [key segment, 2], first key and key after the last. cell_weights: [cell], one
    over the number of tokens of a cell."""

    rows: Axis
    keys: Axis
    segments: Segments
    cell_weights: Tensor

    def row_segments(self, queries: range) -> range:
        """The row segments that hold these queries."""
        first, last = np.searchsorted(self.rows.end, [queries.start, queries.stop - 1], "right")
        return range(int(first), int(last) + 1)


@kept
def mean_tiles(
    n_tokens: int, n_cells: int, device: torch.device, *, exact: bool, is_causal: bool
) -> MeanTiles:
    """The tiles of a map of n_cells x n_cells; exact: the map has one cell per token."""
    rows = Axis(n_tokens, triton.cdiv(n_tokens, QUERIES) if exact else n_cells, QUERIES)
    keys = Axis(n_tokens, n_cells, SIZE // rows.size)
    n_seen = np.searchsorted(keys.begin, rows.end) if is_causal else np.full(rows.n, keys.n)
    tables = [
        np.stack([rows.begin, rows.end, n_seen], 1).astype(np.int32),
        np.stack([keys.begin, keys.end], 1).astype(np.int32),
        (1 / keys.cell_sizes).astype(np.float32),
    ]
    of_rows, of_keys, weights = (constant(torch.from_numpy(table), device) for table in tables)
    return MeanTiles(rows, keys, Segments(of_rows, of_keys, rows.n, keys.n), weights)
