"""The declaration of a table: its rows, its columns with units and meanings, the order of its
rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import polars as pl

# Names of Polars types: declarations are read without that library.
Type = Literal["String", "Boolean", "UInt16", "UInt32", "UInt64", "Float64"]


@dataclass(frozen=True)
class Column:
    """type: of Polars. meaning: of a value. unit: empty for names, indices and booleans."""

    type: Type
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
        import polars as pl

        return {name: getattr(pl, column.type) for name, column in self.columns.items()}
