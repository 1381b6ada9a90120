"""Read cells and write tables: one part per model, then the tables of all models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from sinkscope.atlas.derive import tables_of_model
from sinkscope.atlas.limits import Limits
from sinkscope.atlas.tables import TABLES, tables_of_atlas
from sinkscope.files import read_json, written
from sinkscope.summary.read import summaries
from sinkscope.tables.contract import empty, metadata, write_table
from sinkscope.tables.read import read_table


def reduce_model(manifests: Sequence[Path], out: Path, limits: Limits, directory: Path) -> None:
    """Write one model's part of every table, as `out`/TABLE.parquet."""
    contents = [read_json(manifest) for manifest in manifests]
    entries = [entry for content in contents for entry in content["cells"]]
    cells = list(summaries(entries, directory, limits.tie_tolerance))
    parts = tables_of_model(contents[0]["model"], cells, entries, limits)
    for name, frame in parts.items():
        with written(out / f"{name}.parquet") as temporary:
            frame.collect().write_parquet(temporary, metadata=metadata(name, TABLES[name]))


def write_tables(parts: Sequence[Path], out: Path) -> None:
    """Join the parts of all models to `out`/TABLE.parquet and .csv.

    parts: folders with one file each for some tables. A table without any file gets no rows.
    """
    for name, table in tables_of_atlas().items():
        files = [file for folder in parts if (file := folder / f"{name}.parquet").is_file()]
        try:
            filled = [frame for frame in map(pl.scan_parquet, files) if has_rows(frame)]
            write_table(pl.concat(filled or [empty(table).lazy()]), name, table, out)
        except (OSError, pl.exceptions.PolarsError):
            for file in files:  # read_table names the damaged one
                read_table(file)
            raise


def has_rows(frame: pl.LazyFrame) -> bool:
    """Whether a part has rows; one without rows may lack the columns too."""
    return bool(frame.select(pl.len()).collect().item())
