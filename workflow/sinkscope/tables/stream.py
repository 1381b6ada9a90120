"""Write tables that may be larger than memory: their rows come in their final order."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from sinkscope.files import written
from sinkscope.tables.contract import ROWS_OF_GROUP, as_csv, metadata, typed
from sinkscope.tables.table import Table


def sink_table(frame: pl.LazyFrame, name: str, table: Table, folder: Path) -> None:
    """Write `folder`/NAME.parquet. frame: the table's rows in its order."""
    with written(folder / f"{name}.parquet") as temporary:
        typed(frame, table).sink_parquet(
            temporary,
            row_group_size=ROWS_OF_GROUP,
            maintain_order=True,
            metadata=metadata(name, table),
        )


def sink_csv(source: Path, target: Path) -> None:
    """Write the rows of a Parquet file as CSV, as `as_csv` does."""
    n_rows = pl.scan_parquet(source, glob=False).select(pl.len()).collect().item()
    with written(target) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        for start in range(0, max(n_rows, 1), ROWS_OF_GROUP):
            rows = pl.scan_parquet(source, glob=False).slice(start, ROWS_OF_GROUP).collect()
            stream.write(as_csv(rows, header=start == 0))


def join_sorted(files: Sequence[Path], name: str, table: Table, folder: Path) -> None:
    """Write the rows of some files as NAME.parquet and, if the table is declared so, NAME.csv.
    files: each of one model, in the order of the table; one without rows may lack columns."""
    of_model: dict[str, Path] = {}
    for file in files:
        first = pl.scan_parquet(file, glob=False).head(1).collect()
        if first.height:
            of_model[first["model"].item()] = file
    frames = [pl.scan_parquet(of_model[model], glob=False) for model in sorted(of_model)]
    rows = pl.concat([typed(frame, table) for frame in frames]) if frames else None
    sink_table(pl.LazyFrame(schema=table.schema) if rows is None else rows, name, table, folder)
    if table.csv:
        sink_csv(folder / f"{name}.parquet", folder / f"{name}.csv")
