"""What the zoo's training recorded, of all of its models in the grid, as two tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from sinkscope.config import ModelRow
from sinkscope.errors import SinkscopeError
from sinkscope.reduce.experiments import EXPERIMENTS
from sinkscope.reduce.schemas import conform, write_table
from sinkscope.shipped import SHIPPED

# Table to the file of a checkpoint's folder that holds the model's part of it.
RECORDS = {"emergence": "training_log.parquet", "attachment": "evaluation.parquet"}


def recorded(rows: Sequence[ModelRow], zoo: Path = SHIPPED / "zoo") -> dict[str, Path]:
    """Model to folder, of the zoo's models among `rows` whose training was recorded."""
    kinds = {row.model: row.source.partition(":") for row in rows}
    folders = {model: zoo / name for model, (kind, _, name) in kinds.items() if kind == "zoo"}
    log = RECORDS["emergence"]
    return {model: folder for model, folder in folders.items() if (folder / log).is_file()}


def write_records(folders: Mapping[str, Path], out: Path) -> None:
    """Join the records of all models to `out`/TABLE.parquet and .csv.

    folders: model, as the grid names it, to the folder of its checkpoint.
    """
    for table, file in RECORDS.items():
        parts = [read_record(model, folder / file, table) for model, folder in folders.items()]
        write_table(pl.concat(parts).lazy(), table, out)


def read_record(model: str, path: Path, table: str) -> pl.DataFrame:
    """One model's rows of a table. Raises SinkscopeError for a file that is no such record."""
    try:
        columns = pl.scan_parquet(path).with_columns(model=pl.lit(model))
        frame = conform(columns, table).collect()
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise SinkscopeError(
            f"{path}: is no record of training with the columns "
            f"{', '.join(EXPERIMENTS[table].columns)} ({reason}); train the model again."
        ) from error
    if frame.is_empty():
        raise SinkscopeError(f"{path}: has no rows; train model '{model}' again.")
    return frame
