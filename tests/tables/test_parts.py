"""Frames of several models become one table."""

import os
import subprocess
import sys

import polars as pl

from sinkscope.tables.columns import fraction, shared
from sinkscope.tables.contract import write_part
from sinkscope.tables.read import Parts
from sinkscope.tables.table import Table

TABLE = Table("one row per model", {**shared("model"), "loss": fraction("x")}, sort=("model",))


def parts(folder, *losses):
    for i, values in enumerate(losses):
        (folder / str(i)).mkdir()
        frame = pl.DataFrame({"model": [f"m{i}"] * len(values), "loss": values})
        frame.write_parquet(folder / str(i) / "costs.parquet")
    return Parts([folder / str(i) for i in range(len(losses))])


def test_a_model_without_any_value_joins_those_that_have_some(tmp_path):
    joined = parts(tmp_path, [None, None], [0.5], []).joined("costs", TABLE)
    assert joined.rows() == [("m0", None), ("m0", None), ("m1", 0.5)]
    assert joined.schema["loss"] == pl.Float64


def test_values_of_no_model_keep_their_type(tmp_path):
    assert parts(tmp_path, [None]).joined("costs", TABLE).schema["loss"] == pl.Float64


def test_the_bytes_of_a_part_do_not_depend_on_the_order_in_which_its_rows_came(tmp_path):
    rows = pl.DataFrame(
        {
            "token": ["a", ",", "[MASK]", "a", "nobody"],
            "count": pl.Series([3, 1, 6, 3, 1], dtype=pl.UInt64),
            "share": [0.1, None, 0.3, float("nan"), 0.1],
            "positions": [[1, 2], [], [3], [4], [5, 6]],
        }
    )
    files = []
    for seed in range(8):
        folder = tmp_path / str(seed)
        folder.mkdir()
        write_part(rows.sample(fraction=1, shuffle=True, seed=seed), "padded", "counts", folder)
        files.append((folder / "counts.parquet").read_bytes())
    assert len(set(files)) == 1
    written = pl.read_parquet(tmp_path / "0" / "counts.parquet")
    assert sorted(written["positions"].to_list()) == sorted(rows["positions"].to_list())
    empty = tmp_path / "empty"
    empty.mkdir()
    write_part(pl.DataFrame({"model": []}), "padded", "counts", empty)
    assert pl.read_parquet(empty / "counts.parquet").is_empty()


WRITES = """
import sys
from pathlib import Path

import polars as pl

from sinkscope.tables.columns import fraction, shared
from sinkscope.tables.contract import write_part, write_table
from sinkscope.tables.table import Table

columns = {**shared("model", "query"), "loss": fraction("x")}
table = Table("one row per query", columns, sort=("model", "query"))
n = 540_000  # more than Polars writes as one group
rows = pl.DataFrame({"model": "m", "query": range(n), "loss": [i % 999 / 999 for i in range(n)]})
write_table(rows.lazy(), "losses", table, Path(sys.argv[1]))
write_part(rows, "previous", "losses", Path(sys.argv[1]) / "part")
"""


def test_the_bytes_of_a_table_do_not_depend_on_the_number_of_threads(tmp_path):
    """Left alone, Polars divides the rows into groups by the pieces that its threads made."""
    files = []
    for n_threads in ("1", "4"):
        folder = tmp_path / n_threads
        environment = {**os.environ, "POLARS_MAX_THREADS": n_threads}
        command = [sys.executable, "-c", WRITES, str(folder)]
        subprocess.run(command, env=environment, check=True)
        files.append([path.read_bytes() for path in sorted(folder.rglob("*.parquet"))])
    assert len(files[0]) == 2
    assert files[0] == files[1]
