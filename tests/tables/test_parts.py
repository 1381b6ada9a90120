"""Frames of several models become one table."""

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
