"""Records of the training of models: files in the folders of their checkpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from sinkscope.config import ModelRow
from sinkscope.declarations.experiment import Experiment
from sinkscope.errors import SinkscopeError
from sinkscope.shipped import SHIPPED
from sinkscope.tables.contract import conform
from sinkscope.tables.table import Table


def recorded(
    rows: Sequence[ModelRow], declared: Experiment, zoo: Path = SHIPPED / "zoo"
) -> dict[str, Path]:
    """Folder by model, for the zoo models among `rows` whose training was recorded."""
    kinds = {row.model: row.source.partition(":") for row in rows}
    folders = {model: zoo / name for model, (kind, _, name) in kinds.items() if kind == "zoo"}
    first = next(iter(declared.records.values()))
    return {model: folder for model, folder in folders.items() if (folder / first).is_file()}


def read_records(folders: Mapping[str, Path], declared: Experiment) -> dict[str, pl.DataFrame]:
    """The records of all models by table. Raises SinkscopeError if a file is not a valid
    record."""
    return {
        name: pl.concat(
            read_record(model, folder / file, declared.tables[name])
            for model, folder in folders.items()
        )
        for name, file in declared.records.items()
    }


def read_record(model: str, path: Path, table: Table) -> pl.DataFrame:
    """One model's rows of a table."""
    try:
        columns = pl.scan_parquet(path).with_columns(model=pl.lit(model))
        frame = conform(columns, table).collect()
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise SinkscopeError(
            f"{path}: is not a record of training with the columns {', '.join(table.columns)} "
            f"({reason}); train the model again."
        ) from error
    if frame.is_empty():
        raise SinkscopeError(f"{path}: has no rows; train model '{model}' again.")
    return frame
