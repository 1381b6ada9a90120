"""Read cells, write tables: a part for every model, then all models together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from sinkscope.errors import DamagedError
from sinkscope.extract.cell import Cell, read_cell
from sinkscope.files import read_json, sha256_of, written
from sinkscope.reduce.read import read_table
from sinkscope.reduce.schemas import TABLES, write_table
from sinkscope.reduce.tables import tables_of_model

ARRAYS = [
    "max_key",
    "max_value",
    "second_value",
    "sink_score",
    "n_queries",
    "window_score",
    "n_window_queries",
    "mass",
    "strict_mass",
    "entropy",
    "row_sum",
    "over_half",
    "local",
    "local_no_sinks",
]


def reduce_model(manifests: Sequence[Path], out: Path, epsilon: float, directory: Path) -> None:
    """Write one model's part of every table, as `out`/TABLE.parquet."""
    found = [read_json(manifest) for manifest in manifests]
    entries = [entry for manifest in found for entry in manifest["cells"]]
    cells = [_read(entry, directory) for entry in entries]
    parts = tables_of_model(found[0]["model"], cells, entries, epsilon)
    for name, frame in parts.items():
        with written(out / f"{name}.parquet") as temporary:
            frame.collect().write_parquet(temporary)


def _read(entry: dict[str, str], directory: Path) -> Cell:
    path = directory / entry["cell"]
    if not path.is_file() or sha256_of(path) != entry["cell_sha256"]:
        raise DamagedError(Path(entry["cell"]), "is missing, or not what its job wrote")
    return read_cell(path, ARRAYS)


def write_tables(parts: Sequence[Path], out: Path) -> None:
    """Join the parts of all models to `out`/TABLE.parquet and .csv.

    parts: folders with one file for each of some tables; a table that none has is without rows.
    """
    for name, table in TABLES.items():
        files = [file for folder in parts if (file := folder / f"{name}.parquet").is_file()]
        empty = pl.LazyFrame(schema=dict(table.columns))
        try:
            write_table(pl.concat([pl.scan_parquet(file) for file in files] or [empty]), name, out)
        except pl.exceptions.PolarsError:
            for file in files:  # the one that is damaged is named
                read_table(file)
            raise
