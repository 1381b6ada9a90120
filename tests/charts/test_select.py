"""Rows that figures draw."""

import polars as pl

from sinkscope.charts.select import MOST_ROWS, with_mean


def test_too_many_rows_leave_the_mean_alone():
    n_layers = MOST_ROWS // 2
    rows = {"document": ["a", "b"] * n_layers, "layer": [i // 2 for i in range(2 * n_layers)]}
    frame = pl.DataFrame(rows | {"x": [1.0, 3.0] * n_layers})
    found = with_mean(frame, ["layer"], ["x"], ["a", "b"])
    assert found["document"].unique().to_list() == ["all documents"]
    assert found["x"].unique().to_list() == [2.0]
    assert found.select("x_low", "x_high", "x_n").unique().rows() == [(1.0, 3.0, 2)]


def test_the_mean_comes_first_then_the_documents_without_an_interval():
    frame = pl.DataFrame({"document": ["b", "a"], "layer": [0, 0], "x": [3.0, 1.0]})
    found = with_mean(frame, ["layer"], ["x"], ["b", "a"])
    assert found.select("document", "x", "x_low", "x_n").rows() == [
        ("all documents", 2.0, 1.0, 2), ("b", 3.0, None, None), ("a", 1.0, None, None),
    ]  # fmt: skip
