"""Read tables of a run; the error for a damaged one names it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from sinkscope.errors import DamagedError


def read_table(path: Path) -> pl.DataFrame:
    """Raises DamagedError if the file is missing, or is not a complete Parquet file."""
    try:
        return pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        problem = "is not a whole Parquet file" if path.exists() else "is missing"
        raise DamagedError(path, problem) from error


def read_tables(folder: Path, names: Iterable[str]) -> dict[str, pl.DataFrame]:
    """These tables of a folder, by name. Raises DamagedError like read_table."""
    return {name: read_table(folder / f"{name}.parquet") for name in names}
