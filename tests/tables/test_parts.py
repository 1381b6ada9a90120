"""Frames of several models become one table."""

import polars as pl

from sinkscope.tables.columns import fraction, shared
from sinkscope.tables.parts import Parts
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
