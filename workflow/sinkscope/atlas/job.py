"""Read cells, write tables: a part for every model, then all models together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from sinkscope.atlas.derive import tables_of_model
from sinkscope.atlas.tables import tables_of_atlas
from sinkscope.declarations.found import statistics
from sinkscope.errors import DamagedError
from sinkscope.extract.cell import Cell, read_cell
from sinkscope.files import read_json, sha256_of, written
from sinkscope.tables.contract import empty, write_table
from sinkscope.tables.read import read_table

# What is read of a cell: its maps are most of its bytes, and no table needs them.
ARRAYS = [one.name for one in statistics() if "cell" not in one.axes]


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
    for name, table in tables_of_atlas().items():
        files = [file for folder in parts if (file := folder / f"{name}.parquet").is_file()]
        try:
            filled = [frame for frame in map(pl.scan_parquet, files) if has_rows(frame)]
            write_table(pl.concat(filled or [empty(table).lazy()]), name, table, out)
        except (OSError, pl.exceptions.PolarsError):
            for file in files:  # the one that is damaged is named
                read_table(file)
            raise


def has_rows(frame: pl.LazyFrame) -> bool:
    """A part without rows may lack the columns too: nothing was measured."""
    return bool(frame.select(pl.len()).collect().item())
