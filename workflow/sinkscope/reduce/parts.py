"""Join what experiments left of every model, a Parquet file a table, to the tables of all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from sinkscope.errors import SinkscopeError
from sinkscope.reduce.experiments import EXPERIMENTS
from sinkscope.reduce.read import read_table
from sinkscope.reduce.schemas import write_table

# By experiment: the tables whose rows are those of the models' parts.
JOINED = {
    "second_sink": ("second_sink", "second_sink_local"),
    "bos": ("bos", "position_content"),
    "norms": ("norms", "norm_ratios", "norm_weighted", "activations"),
}


def joined(parts: Sequence[Path], name: str, table: str) -> pl.DataFrame:
    """Rows of all models that have any; a table without rows where none has.

    parts: folders of models, or of their shards, which hold `name`.parquet.
    """
    frames = [read_table(part / f"{name}.parquet") for part in parts]
    filled = [frame for frame in frames if not frame.is_empty()]
    if filled:
        return pl.concat(filled)
    return pl.DataFrame(schema=dict(EXPERIMENTS[table].columns))


def write_parts(experiment: str, parts: Sequence[Path], tables: Path) -> None:
    """Write the experiment's tables into the folder `tables`.

    Raises SinkscopeError for an experiment that leaves no such parts.
    """
    if experiment not in JOINED:
        raise SinkscopeError(f"no tables of '{experiment}' to join; {', '.join(JOINED)} have some.")
    for table in JOINED[experiment]:
        write_table(joined(parts, table, table).lazy(), table, tables)
