"""Read cells and write tables: one part per model, then the tables of all models."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from sinkscope.atlas.limits import Limits
from sinkscope.atlas.reduce import reduce_cells
from sinkscope.atlas.tables import TABLES, tables_of_atlas
from sinkscope.extract.summary.part import StoredSummaries
from sinkscope.files import read_json
from sinkscope.tables.contract import empty, write_table
from sinkscope.tables.read import read_table
from sinkscope.tables.stream import join_sorted, sink_table


def reduce_model(manifests: Sequence[Path], out: Path, limits: Limits, directory: Path) -> None:
    """Write one model's part of every table, as `out`/TABLE.parquet."""
    contents = [read_json(manifest) for manifest in manifests]
    entries = [entry for content in contents for entry in content["cells"]]
    if entries:
        cells_of = StoredSummaries(directory, limits.tie_tolerance)
        reduce_cells(contents[0]["model"], entries, cells_of, limits, out)
        return
    for name, table in TABLES.items():
        sink_table(empty(table).lazy(), name, table, out)


def write_tables(parts: Sequence[Path], out: Path) -> None:
    """Join the parts of all models to `out`/TABLE.parquet and .csv.

    parts: folders with one file each for some tables; those of a model's reduced cells are in the
    order of the table. A table without any file gets no rows.
    """
    for name, table in tables_of_atlas().items():
        files = [file for folder in parts if (file := folder / f"{name}.parquet").is_file()]
        try:
            if name in TABLES:
                join_sorted(files, name, table, out)
                continue
            filled = [frame for frame in map(pl.scan_parquet, files) if has_rows(frame)]
            write_table(pl.concat(filled or [empty(table).lazy()]), name, table, out)
        except (OSError, pl.exceptions.PolarsError):
            for file in files:  # read_table names the damaged one
                read_table(file)
            raise


def has_rows(frame: pl.LazyFrame) -> bool:
    """Whether a part has rows; an empty one may lack the columns too."""
    return bool(frame.select(pl.len()).collect().item())
