"""What jobs left of each model, one folder per part, to be joined to the tables of all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from sinkscope.tables.contract import empty
from sinkscope.tables.read import read_table
from sinkscope.tables.table import Table


@dataclass(frozen=True)
class Parts:
    """folders: one for each part, which holds a Parquet file for each frame."""

    folders: Sequence[Path]

    def each(self, frame: str) -> Iterator[pl.DataFrame]:
        """The frame of every part, one at a time: all of a large grid together may not fit the
        memory."""
        return (read_table(folder / f"{frame}.parquet") for folder in self.folders)

    def joined(self, frame: str, table: Table) -> pl.DataFrame:
        """Rows of all parts that have any; a table without rows where none has."""
        filled = [one for one in self.each(frame) if not one.is_empty()]
        return pl.concat(filled) if filled else empty(table)
