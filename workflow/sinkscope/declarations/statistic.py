"""The declaration of a statistic of the attention. A module in `sinkscope.statistics` has a tuple
`STATISTICS` of these, from which arrays of cells, columns and their reference follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

AXES = ("layer", "head", "query", "key", "key_set", "width", "cell", "coarse")


@dataclass(frozen=True)
class Rows:
    """Some rows of the attention of one layer. attention: [batch, head, query, key]. start: key
    index of the first query. first: [batch] index of key 0; keys before it are padding."""

    attention: Tensor
    start: int
    first: Tensor


@dataclass(frozen=True)
class Statistic:
    """A statistic. name: name of its array in a cell. axes: a subset of AXES, in order. type: NumPy
    type. definition: a definition with its formula; {width} is the width, and {{ is a brace.
    source: source of the definition, by author and year.

    A statistic with the axes (layer, head), with or without a width, is a column of the table
    `heads`. With (layer, key_set) it is a column of `sink_mass`. column: name of that column; {} is
    the width. has_table: whether it has a table of its own instead.

    by_query: the computation of a new statistic, from Rows to one number per query,
    [batch, head, query]. The statistic is its mean over the queries of a document, and its axes are
    (layer, head). Statistics without it are computed by `extract`. The GPU kernels compute only
    those; with any other statistic, attention is reduced block by block.
    """

    name: str
    axes: tuple[str, ...]
    definition: str
    unit: str = "part of 1"
    type: str = "float32"
    source: str = ""
    column: str = ""
    has_table: bool = False
    by_query: Callable[[Rows], Tensor] | None = None

    def column_at(self, width: int | None = None) -> str:
        """Name of its column in a table."""
        return (self.column or self.name).format(width)
