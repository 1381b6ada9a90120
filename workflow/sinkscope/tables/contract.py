"""Write tables as they are declared: columns, types, order of rows, and the version of the schema.

People rely on the columns: changing or removing one is a break, and raises SCHEMA_VERSION.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from sinkscope.files import written
from sinkscope.tables.table import Table

# Of all tables together: the first number counts breaks, the second one additions.
SCHEMA_VERSION = "2.7"
COMPRESSION = 15  # of Zstandard: tables are written once, and travel with the report
# Of a file: fixed, so that equal rows are equal bytes whatever the number of threads; Polars' own
# division depends on the pieces in which rows were computed.
ROWS_OF_GROUP = 100_000


def empty(table: Table) -> pl.DataFrame:
    """A table without rows."""
    return pl.DataFrame(schema=table.schema)


def conform(frame: pl.LazyFrame, table: Table) -> pl.LazyFrame:
    """`frame` with exactly the table's columns, types and order of rows; NaN becomes null."""
    return typed(frame, table).sort(table.sort, nulls_last=False)


def typed(frame: pl.LazyFrame, table: Table) -> pl.LazyFrame:
    """The same with the rows in the order of `frame`."""
    floats = [name for name, type_ in table.schema.items() if type_ == pl.Float64]
    columns = (pl.col(name).cast(type_) for name, type_ in table.schema.items())
    return frame.select(columns).with_columns(pl.col(floats).fill_nan(None))


def write_table(frame: pl.LazyFrame, name: str, table: Table, folder: Path) -> None:
    """Write `folder`/NAME.parquet, and NAME.csv if the table is declared with csv."""
    complete = conform(frame, table).collect()
    with written(folder / f"{name}.parquet") as temporary:
        complete.write_parquet(
            temporary,
            compression_level=COMPRESSION,
            row_group_size=ROWS_OF_GROUP,
            metadata=metadata(name, table),
        )
    if table.csv:
        with written(folder / f"{name}.csv") as temporary:
            temporary.write_text(as_csv(complete), encoding="utf-8")


def write_tables(
    frames: Mapping[str, pl.DataFrame], tables: Mapping[str, Table], folder: Path
) -> None:
    """Write all of these tables; a table without a frame gets no rows."""
    for name, table in tables.items():
        write_table(frames.get(name, empty(table)).lazy(), name, table, folder)


def metadata(name: str, table: Table) -> dict[str, str]:
    """The metadata of a Parquet file: the table, the version of the schema, the meaning of a row,
    and unit and meaning of every column (JSON)."""
    columns = {
        column: {"unit": one.unit, "meaning": one.meaning} for column, one in table.columns.items()
    }
    return {
        "sinkscope_table": name,
        "sinkscope_schema_version": SCHEMA_VERSION,
        "sinkscope_rows": table.rows,
        "sinkscope_columns": json.dumps(columns, ensure_ascii=False),
    }


def write_part(rows: pl.DataFrame, experiment: str, frame: str, folder: Path) -> None:
    """Write `folder`/FRAME.parquet, a measurement from which tables are derived. Its rows are
    sorted by all columns that are not lists: a group_by returns rows in an order that varies
    between runs, and the same measurement must have the same bytes."""
    keys = [column for column, type_ in rows.schema.items() if not type_.is_nested()]
    metadata = {
        "sinkscope_experiment": experiment,
        "sinkscope_frame": frame,
        "sinkscope_schema_version": SCHEMA_VERSION,
    }
    with written(folder / f"{frame}.parquet") as temporary:
        ordered = rows.sort(keys, maintain_order=True)
        ordered.write_parquet(temporary, row_group_size=ROWS_OF_GROUP, metadata=metadata)


def declared_as(tables: Mapping[str, Table]) -> list[Any]:
    """The declaration of these tables as JSON; their files depend on it and on their rows."""
    return [
        [SCHEMA_VERSION, name, table.rows, list(table.sort), table.csv]
        + [[key, one.type, one.meaning, one.unit] for key, one in table.columns.items()]
        for name, table in tables.items()
    ]


def files_of(tables: Mapping[str, Table], folder: str) -> list[str]:
    """Paths of the files of these tables in a folder."""
    return [
        f"{folder}/{name}.{kind}"
        for name, table in tables.items()
        for kind in (("parquet", "csv") if table.csv else ("parquet",))
    ]


# First characters that make a spreadsheet run a text as a formula, or skip to such a character:
# https://owasp.org/www-community/attacks/CSV_Injection
FORMULA = r"^[=+\-@\t\r]"


def as_csv(frame: pl.DataFrame, *, header: bool = True) -> str:
    """`frame` as CSV. A text that a spreadsheet would run as a formula, such as the token `=1+1`,
    gets a leading apostrophe. Numbers are unchanged."""
    text = pl.col(pl.String)
    safe = pl.when(text.str.contains(FORMULA)).then(pl.lit("'") + text).otherwise(text)
    return frame.with_columns(safe.name.keep()).write_csv(include_header=header)
