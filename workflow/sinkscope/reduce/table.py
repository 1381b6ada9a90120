"""What a table is: columns, types, order of rows."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Table:
    """columns: name and type, in order. sort: columns that order, and identify, the rows.

    csv: small enough to be written as CSV too.
    """

    columns: dict[str, type[pl.DataType]]
    sort: tuple[str, ...]
    csv: bool = True
