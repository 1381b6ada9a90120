"""What a statistic of the attention declares, and how one is added.

A module in `sinkscope.statistics` has a tuple `STATISTICS` of these. The arrays of a cell, the
columns of the tables `heads` and `sink_mass`, and the reference of all columns follow from them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

AXES = ("layer", "head", "query", "key", "key_set", "width", "cell")


@dataclass(frozen=True)
class Rows:
    """Some rows of the attention of one layer. attention: [batch, head, query, key]. start: column
    of the first of these queries among the keys. first: [batch] column of each document's key 0;
    what is before it is padding."""

    attention: Tensor
    start: int
    first: Tensor


@dataclass(frozen=True)
class Statistic:
    """name: of its array in a cell. axes: of AXES, in order. type: of NumPy. definition: what it
    is, with its formula; {width} stands for the width, and {{ for a brace. source: of the
    definition, by author and year.

    A statistic with the axes (layer, head), or these and a width, is a column of the table `heads`;
    with (layer, key_set) one of `sink_mass`. column: its name there, {} standing for the width.

    by_query: computes what is new: Rows to a number for each query, [batch, head, query]. Its mean
    over the queries of a document is the statistic, whose axes are then (layer, head). Statistics
    without it are computed by `extract`, which says how. The kernels of GPUs know only those: with
    another one, attention is reduced block by block.
    """

    name: str
    axes: tuple[str, ...]
    definition: str
    unit: str = "part of 1"
    type: str = "float32"
    source: str = ""
    column: str = ""
    by_query: Callable[[Rows], Tensor] | None = None

    def column_at(self, width: int | None = None) -> str:
        """Name of its column in a table."""
        return (self.column or self.name).format(width)
