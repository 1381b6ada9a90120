"""The tables of a folder of results."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from sinkscope.errors import SinkscopeError

SUBFOLDERS = ("results/tables", "tables", ".")  # below a run's folder, in results/, or the folder


def tables_folder(folder: Path) -> Path:
    """The first of the SUBFOLDERS of `folder` that has a table."""
    if not folder.is_dir():
        raise SinkscopeError(f"{folder}: is not a folder; give a folder of results.")
    for subfolder in SUBFOLDERS:
        if table_files(folder / subfolder):
            return folder / subfolder
    raise SinkscopeError(
        f"{folder}: has no tables (.parquet); give the folder of a run (with results/tables), a "
        "folder of results (with tables) or a folder of tables."
    )


def table_files(folder: Path) -> dict[str, Path]:
    """The Parquet files of a folder by table name, sorted."""
    files = sorted(path for path in folder.glob("*.parquet") if path.is_file())
    return {path.stem: path for path in files}


def read_table(path: Path) -> pl.DataFrame:
    """Raises SinkscopeError if the file cannot be read, or is not a Parquet file."""
    try:
        return pl.read_parquet(path, glob=False, hive_partitioning=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = " ".join(str(error).split())
        raise SinkscopeError(
            f"{path}: cannot be read as Parquet ({reason}); make the table again."
        ) from error
