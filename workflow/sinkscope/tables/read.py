"""Read tables of a run; the error for a damaged one names it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import polars as pl

from sinkscope.errors import DamagedError
from sinkscope.tables.contract import empty
from sinkscope.tables.table import Table

SMALL = 2**20  # bytes of a file whose table is kept in memory once it was read


Query = Callable[[pl.LazyFrame], pl.LazyFrame]


@runtime_checkable
class Queryable(Protocol):
    """Tables that can be queried without reading them as a whole."""

    def queried(self, name: str, query: Query, *, streaming: bool = True) -> pl.DataFrame: ...


def read_table(path: Path, query: Query | None = None, *, streaming: bool = False) -> pl.DataFrame:
    """A table, or the result of a query of it; with streaming, run without all rows in memory, and
    in no defined order. Raises DamagedError if the file is missing, or is not a complete
    Parquet file."""
    try:
        table = pl.scan_parquet(path, glob=False)
        table = table if query is None else query(table)
        return table.collect(engine="streaming" if streaming else "auto")
    except (OSError, pl.exceptions.PolarsError) as error:
        problem = "is not a complete Parquet file" if path.exists() else "is missing"
        raise DamagedError(path, problem) from error


def read_tables(folder: Path, names: Iterable[str]) -> dict[str, pl.DataFrame]:
    """These tables of a folder, by name. Raises DamagedError like read_table."""
    return {name: read_table(folder / f"{name}.parquet") for name in names}


class StoredTables(Mapping[str, pl.DataFrame]):
    """Tables of a folder, each read on access: all tables of a large run may not fit into memory.
    Raises DamagedError like read_table."""

    def __init__(self, folder: Path, names: Iterable[str], *where: pl.Expr) -> None:
        """where: filters; one on a column that a table lacks does not apply to that table."""
        self._folder, self._names, self._where = folder, tuple(names), where
        self._kept: dict[str, pl.DataFrame] = {}

    def filtered(self, where: pl.Expr) -> StoredTables:
        return StoredTables(self._folder, self._names, *self._where, where)

    def __getitem__(self, name: str) -> pl.DataFrame:
        if name not in self._names:
            raise KeyError(name)
        if name in self._kept:
            return self._kept[name]
        path = self._folder / f"{name}.parquet"
        table = read_table(path, query=self._filter)
        if path.stat().st_size <= SMALL:
            self._kept[name] = table
        return table

    def queried(self, name: str, query: Query, *, streaming: bool = True) -> pl.DataFrame:
        """As of the function `queried`. streaming: without the order of the rows."""
        path = self._folder / f"{name}.parquet"
        return read_table(path, query=lambda rows: query(self._filter(rows)), streaming=streaming)

    def _filter(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.filter(*applying(self._where, rows.collect_schema().names()))

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def applying(where: Iterable[pl.Expr], columns: Iterable[str]) -> list[pl.Expr]:
    """The filters whose columns exist."""
    names = set(columns)
    return [one for one in where if set(one.meta.root_names()) <= names]


def selected(
    tables: Mapping[str, pl.DataFrame],
    name: str,
    columns: Sequence[str | pl.Expr],
    where: pl.Expr | None = None,
) -> pl.DataFrame:
    """Some columns of a table, of the rows for which `where` is true, in their order; nothing else
    of a stored table is read."""

    def query(rows: pl.LazyFrame) -> pl.LazyFrame:
        return (rows if where is None else rows.filter(where)).select(columns)

    return queried(tables, name, query, streaming=False)


def queried(
    tables: Mapping[str, pl.DataFrame], name: str, query: Query, *, streaming: bool = True
) -> pl.DataFrame:
    """The result of a query of a table, without reading all of a stored table. streaming: in no
    defined order. Query counts only then: the last digits of sums of fractions depend on the order.
    """
    if isinstance(tables, Queryable):
        return tables.queried(name, query, streaming=streaming)
    return query(tables[name].lazy()).collect()


@dataclass(frozen=True)
class Parts:
    """folders: one per part, with one Parquet file per frame."""

    folders: Sequence[Path]

    def each(self, frame: str) -> Iterator[pl.DataFrame]:
        """The frame of every part, one at a time: not all may fit into memory."""
        return (read_table(folder / f"{frame}.parquet") for folder in self.folders)

    def joined(self, frame: str, table: Table) -> pl.DataFrame:
        """The rows of all parts; a table without rows if no part has any."""
        parts = [typed(one, table) for one in self.each(frame) if not one.is_empty()]
        return pl.concat(parts) if parts else empty(table)


def typed(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """The frame; a column in which one model has nothing but null gets its type from the table."""
    nulls = {name: dtype for name, dtype in table.schema.items() if name in frame.columns}
    return frame.cast({name: d for name, d in nulls.items() if frame.schema[name] == pl.Null})
