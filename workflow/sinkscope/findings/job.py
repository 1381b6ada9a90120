"""The findings of all figures of a run, joined to one table."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from sinkscope.errors import DamagedError
from sinkscope.files import read_json
from sinkscope.findings.table import TABLES
from sinkscope.tables.contract import write_table

LISTED = "figures.json"  # in a folder of figures


def write_findings(folders: Sequence[Path], out: Path) -> None:
    """Write the table `findings` into the folder `out`. folders: the folders of figures."""
    rows = [row for folder in folders for row in rows_in(folder)]
    table = TABLES["findings"]
    write_table(pl.LazyFrame(rows, schema=table.schema), "findings", table, out)


def rows_in(folder: Path) -> list[dict[str, Any]]:
    """Rows of the figures in one folder."""
    try:
        return [row for figure in read_json(folder / LISTED) for row in figure["facts"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedError(folder / LISTED, "is not what its job wrote") from error
