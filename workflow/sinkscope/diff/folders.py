"""The tables of a folder of results."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from sinkscope.errors import SinkscopeError

PLACES = ("results/tables", "tables", ".")  # below a run's folder, in results/, or the folder


def tables_folder(folder: Path) -> Path:
    """The folder of tables that `folder` has or is; the first of PLACES that has a table."""
    if not folder.is_dir():
        raise SinkscopeError(f"{folder}: is not a folder; give a folder of results.")
    for place in PLACES:
        if table_files(folder / place):
            return folder / place
    raise SinkscopeError(
        f"{folder}: has no tables (.parquet); give the folder of a run (with results/tables), a "
        "folder of results (with tables) or a folder of tables."
    )


def table_files(folder: Path) -> dict[str, Path]:
    """The Parquet files of a folder of tables by the name of their table, sorted."""
    files = sorted(path for path in folder.glob("*.parquet") if path.is_file())
    return {path.stem: path for path in files}


def read_table(path: Path) -> pl.DataFrame:
    """Raises SinkscopeError where the file cannot be read, or is no Parquet file."""
    try:
        return pl.read_parquet(path, glob=False, hive_partitioning=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = " ".join(str(error).split())
        raise SinkscopeError(
            f"{path}: cannot be read as Parquet ({reason}); make the table again."
        ) from error
