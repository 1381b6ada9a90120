"""The frames that jobs wrote for each model, one folder per part, to be joined to the tables of all
models."""

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
    """folders: one per part, with one Parquet file per frame."""

    folders: Sequence[Path]

    def each(self, frame: str) -> Iterator[pl.DataFrame]:
        """The frame of every part, one at a time: all frames of a large grid may not fit into
        memory."""
        return (read_table(folder / f"{frame}.parquet") for folder in self.folders)

    def joined(self, frame: str, table: Table) -> pl.DataFrame:
        """The rows of all parts; a table without rows if no part has any."""
        parts = [typed(one, table) for one in self.each(frame) if not one.is_empty()]
        return pl.concat(parts) if parts else empty(table)


def typed(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """The frame; a column with only nulls gets its type from the table."""
    nulls = {name: dtype for name, dtype in table.schema.items() if name in frame.columns}
    return frame.cast({name: d for name, d in nulls.items() if frame.schema[name] == pl.Null})
