"""The tables of one experiment, from measurements of all models or from records of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from sinkscope.config import ModelRow
from sinkscope.declarations.experiment import Experiment
from sinkscope.declarations.registry import experiment
from sinkscope.discovery import load, modules_in
from sinkscope.errors import SinkscopeError
from sinkscope.shipped import SHIPPED
from sinkscope.tables.contract import conform, write_tables
from sinkscope.tables.read import Parts, StoredTables
from sinkscope.tables.table import Table


def write_derived(
    name: str, folders: Sequence[Path], tables: Path, threshold: float | None
) -> None:
    """Write the experiment's tables beside the atlas tables in `tables`. folders: one per part."""
    declared = experiment(name)
    parts, package = Parts(folders), f"sinkscope.experiments.{name}"
    if f"{package}.derive" in modules_in(package):
        derive = load(f"{package}.derive").derive
        frames = derive(parts, StoredTables(tables, declared.beside), threshold)
    else:
        frames = {one: parts.joined(one, table) for one, table in declared.tables.items()}
    write_tables(frames, declared.tables, tables)


def write_recorded(name: str, folders: Mapping[str, Path], tables: Path) -> None:
    """Write the tables of an experiment whose parts were recorded in training. folders: of the
    checkpoints, by model. Raises SinkscopeError if a file is not a valid record."""
    declared = experiment(name)
    frames = {
        one: pl.concat(
            read_record(model, folder / file, declared.tables[one])
            for model, folder in folders.items()
        )
        for one, file in declared.records.items()
    }
    write_tables(frames, declared.tables, tables)


def recorded(
    rows: Sequence[ModelRow], declared: Experiment, zoo: Path = SHIPPED / "zoo"
) -> dict[str, Path]:
    """Folder by model, for the zoo models among `rows` whose training was recorded."""
    kinds = {row.model: row.source.partition(":") for row in rows}
    folders = {model: zoo / name for model, (kind, _, name) in kinds.items() if kind == "zoo"}
    first = next(iter(declared.records.values()))
    return {model: folder for model, folder in folders.items() if (folder / first).is_file()}


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
