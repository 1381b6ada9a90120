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
