"""Rows of tables a few documents at a time: those of a large run do not fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property

import polars as pl

from sinkscope.tables.read import StoredTables, applying, queried

Tables = Mapping[str, pl.DataFrame]
MOST_ROWS = 300_000  # of the table that a block is measured by


class Blocks:
    """What is made of the rows of some documents of one model each, in the order of models and
    documents. It is made again whenever it is iterated.

    Documents are those of the table `name`, by whose number of rows they are divided. rows: from
    tables that have the rows of these documents alone (tables without documents are whole).
    """

    def __init__(
        self,
        tables: Tables,
        name: str,
        rows: Callable[[Tables], pl.DataFrame],
        most: int = MOST_ROWS,
    ) -> None:
        """most: rows of the table in a block."""
        self._tables, self._name, self._rows, self._most = tables, name, rows, most

    @cached_property
    def sizes(self) -> pl.DataFrame:
        """model, document, n: rows of the table, in order."""

        def count(rows: pl.LazyFrame) -> pl.LazyFrame:
            return rows.group_by("model", "document").agg(n=pl.len())

        return queried(self._tables, self._name, count).sort("model", "document")

    @property
    def documents(self) -> list[str]:
        """Names of the documents, in order."""
        return self.sizes["document"].unique().sort().to_list()

    def __iter__(self) -> Iterator[pl.DataFrame]:
        number = pl.col("n").cast(pl.Int64).cum_sum().over("model") // self._most
        ends = (pl.col("document").first().alias("first"), pl.col("document").last().alias("last"))
        blocks = self.sizes.group_by("model", number, maintain_order=True).agg(ends)
        for model, first, last in blocks.select("model", "first", "last").iter_rows():
            is_within = pl.col("document").is_between(pl.lit(first), pl.lit(last))
            yield self._where(pl.col("model") == model, is_within)
        if blocks.is_empty():
            yield self._where(pl.lit(False))

    def of(self, documents: Sequence[str]) -> pl.DataFrame:
        """What is made of these documents."""
        return self._where(pl.col("document").is_in(list(documents)))

    def _where(self, *where: pl.Expr) -> pl.DataFrame:
        tables = self._tables
        for one in where:
            tables = filtered(tables, one)
        return self._rows(tables)


def filtered(tables: Tables, where: pl.Expr) -> Tables:
    """The rows of all tables for which `where` is true; tables without its columns are whole."""
    if isinstance(tables, StoredTables):
        return tables.filtered(where)
    return {name: one.filter(*applying([where], one.columns)) for name, one in tables.items()}
