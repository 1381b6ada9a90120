"""The printed comparison of two folders of results."""

from collections import Counter
from pathlib import Path

import polars as pl

from sinkscope.catalogue import all_tables
from sinkscope.diff.differences import compare
from sinkscope.diff.text import summary, table_lines, totals_of
from sinkscope.errors import SinkscopeError
from sinkscope.printable import printable

SUBFOLDERS = ("results/tables", "tables", ".")  # below a run's folder, in results/, or the folder


def diff_folders(a: Path, b: Path, tolerance: float) -> bool:
    """Print every table that differs, and a summary; returns whether any table differs."""
    folder_a, folder_b = tables_folder(a), tables_folder(b)
    files_a, files_b = table_files(folder_a), table_files(folder_b)
    print(printable(f"A: {folder_a}\nB: {folder_b}"))
    total, known = Counter[str](), all_tables()
    for name in sorted(files_a | files_b):
        if name not in files_a or name not in files_b:
            total.update(totals_of(None))
            print(printable(f"{name}: only in {'A' if name in files_a else 'B'}"))
            continue
        key = known[name].sort if name in known else None
        differences = compare(
            read_table(files_a[name]), read_table(files_b[name]), key or (), tolerance
        )
        total.update(totals_of(differences))
        for line in table_lines(name, differences, key):
            print(line)
    print(summary(total, tolerance))
    return total["differ"] > 0


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
