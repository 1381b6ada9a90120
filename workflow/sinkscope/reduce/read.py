"""Read a table of a run; one that is damaged is named."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from sinkscope.errors import DamagedError


def read_table(path: Path) -> pl.DataFrame:
    """Raises DamagedError where the file is missing, or is no whole Parquet file."""
    try:
        return pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        there = "is not a whole Parquet file" if path.exists() else "is missing"
        raise DamagedError(path, there) from error
