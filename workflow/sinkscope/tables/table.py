"""The declaration of a table: its rows, its columns with units and meanings, the order of its
rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Column:
    """type: a Polars type. meaning: what a value means. unit: unit of measurement; empty for names,
    indices and booleans."""

    type: type[pl.DataType]
    meaning: str
    unit: str = ""


@dataclass(frozen=True)
class Table:
    """rows: what one row is about. columns: by name, in order. sort: columns that order, and
    identify, the rows. csv: small enough to be written as CSV too."""

    rows: str
    columns: Mapping[str, Column]
    sort: tuple[str, ...]
    csv: bool = True

    @property
    def schema(self) -> dict[str, type[pl.DataType]]:
        """Types by name, as Polars takes them."""
        return {name: column.type for name, column in self.columns.items()}
