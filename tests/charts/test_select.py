"""Rows that figures draw."""

import polars as pl

from sinkscope.charts.select import MOST_ROWS, in_most_documents, with_mean


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


def test_a_model_is_counted_if_more_than_half_of_its_documents_agree():
    rows = pl.DataFrame(
        {
            "model": ["most"] * 3 + ["half"] * 2 + ["holes"] * 3,
            "document": ["a", "b", "c", "a", "b", "a", "b", "c"],
            "x": [0.9, 0.8, 0.1, 0.9, 0.1, 0.9, None, None],
        }
    )
    found = in_most_documents(rows, pl.col("x") > 0.5)
    assert found.rows() == [("holes", 1, 1), ("most", 2, 3)]
