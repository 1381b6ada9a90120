"""Means over documents of long frames, against plain loops."""

import math
import subprocess
import sys
from operator import itemgetter
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sinkscope import intervals, means
from sinkscope.tables.blocks import Blocks

BY = ["model", "layer", "window"]


@pytest.fixture(scope="module")
def frame():
    """Two models, of which the second lacks a document; some values do not exist."""
    rng = np.random.default_rng(5)
    rows = [
        {"model": model, "document": f"d{i}", "layer": layer, "window": window,
         "x": rng.random() if (i, layer) != (0, 1) else None,
         "y": rng.uniform(0.5, 4) if i != 2 else float("nan"),
         "n": int(rng.integers(1, 9))}
        for model, documents in (("m", 5), ("o", 4)) for i in range(documents)
        for layer in (0, 1) for window in (None, 64)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema_overrides={"window": pl.UInt32})


def column(frame, row, name):
    """Values of all documents of one row's group, by name of the document; NaN where missing."""
    model = frame.filter(model=row["model"])
    own = model.filter(pl.col("window").eq_missing(row["window"]), layer=row["layer"])
    values = dict(own.select("document", name).iter_rows())
    found = [values.get(name) for name in sorted(set(model["document"]))]
    return np.array([[math.nan if value is None else value] for value in found])


def test_means_of_every_group_equal_plain_loops(frame):
    table = means.over_documents(frame, BY, ["x", "y"], log=["y"])
    assert table.height == 8
    for row in table.iter_rows(named=True):
        x = column(frame, row, "x")
        low, high = intervals.interval(intervals.means(x))
        assert row["x"] == pytest.approx(np.nanmean(x))
        assert (row["x_low"], row["x_high"]) == (low[0], high[0])
        assert row["x_n"] == np.isfinite(x).sum()
        y = column(frame, row, "y")
        low, high = intervals.interval(intervals.means(np.log(y)))
        assert row["y"] == pytest.approx(math.exp(np.nanmean(np.log(y))))
        assert (row["y_low"], row["y_high"]) == (np.exp(low[0]), np.exp(high[0]))
        assert row["y_n"] == np.isfinite(y).sum()


def test_a_ratio_of_sums_leaves_out_documents_without_a_value(frame):
    rows = frame.with_columns(n=pl.when(pl.col("document") != "d1").then("n"))
    table = means.of_sums(rows, BY, "x", "n", "rate")
    for row in table.iter_rows(named=True):
        x, n = column(rows, row, "x")[:, 0], column(rows, row, "n")[:, 0]
        counts = np.isfinite(x) & np.isfinite(n)
        assert row["rate"] == pytest.approx(x[counts].sum() / n[counts].sum())
        assert row["rate_n"] == counts.sum()
        assert row["rate_low"] < row["rate"] < row["rate_high"]


def test_a_document_with_nothing_in_both_sums_does_not_count():
    rows = pl.DataFrame({"document": ["a", "b", "c"], "x": [0.0, 0.0, 1.0], "n": [0.0, 2.0, 2.0]})
    (row,) = means.of_sums(rows.with_columns(k=0), ["k"], "x", "n", "rate").rows(named=True)
    assert (row["rate"], row["rate_n"]) == (0.25, 2)


def test_the_order_of_rows_and_other_models_change_no_bit(frame):
    table = means.over_documents(frame, BY, ["x"])
    assert means.over_documents(frame.sample(fraction=1, shuffle=True, seed=2), BY, ["x"]).equals(
        table
    )
    alone = means.over_documents(frame.filter(model="o"), BY, ["x"])
    assert alone.equals(table.filter(model="o"))
    assert means.over_documents(frame, BY, ["y", "x"]).select(table.columns).equals(table)


def test_a_value_of_one_document_has_no_interval_and_none_is_null(frame):
    single = frame.filter(document="d0")
    (row,) = means.over_documents(single.filter(model="m", layer=0, window=64), BY, ["x"]).rows(
        named=True
    )
    assert (row["x_low"], row["x_high"], row["x_n"]) == (None, None, 1)
    none = means.over_documents(single.filter(layer=1), BY, ["x"])
    assert none["x"].null_count() == none.height
    assert none["x_n"].to_list() == [0] * none.height


def test_no_rows_give_no_rows(frame):
    empty = means.over_documents(frame.clear(), BY, ["x"])
    assert empty.is_empty()
    assert empty.columns == [*BY, "x", "x_low", "x_high", "x_n"]


def test_a_document_with_two_rows_in_a_group_is_an_error(frame):
    with pytest.raises(ValueError, match="two rows with the same model, layer"):
        means.over_documents(frame, ["model", "layer"], ["x"])


@pytest.mark.parametrize("most", [1, 3, 7, 1000])
def test_blocks_of_documents_change_no_bit(frame, monkeypatch, most):
    """Nor do the groups that are summed at once, or a document without rows in a block."""
    values = {"log": ["y"], "values": ["x", "y"]}
    whole = means.over_documents(frame, BY, **values), means.of_sums(frame, BY, "x", "n", "rate")
    blocks = Blocks(
        {"rows": frame.sample(fraction=1, shuffle=True)}, "rows", itemgetter("rows"), most
    )
    assert len(list(blocks)) > (most < 18)
    monkeypatch.setattr(means, "MOST_SUMS", 2002)
    assert means.over_documents(blocks, BY, **values).equals(whole[0])
    assert means.of_sums(blocks, BY, "x", "n", "rate").equals(whole[1])


PEAK = """
import re, sys
from pathlib import Path
from sinkscope.means import over_documents
from sinkscope.tables.blocks import Blocks
from sinkscope.tables.read import StoredTables, selected
columns = ["model", "document", "layer", "x", "y"]
tables = StoredTables(Path(sys.argv[1]), ["heads"])
blocks = Blocks(tables, "heads", lambda some: selected(some, "heads", columns), 20_000)
assert over_documents(blocks, ["model", "layer"], ["x", "y"])["x_n"].min() == int(sys.argv[2])
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux says how much it was.")
def test_memory_does_not_grow_with_the_number_of_documents(tmp_path):
    """Of 20 times as many documents: 2 million rows, which take 100 MB in memory once."""
    peaks = []
    for n in (500, 10_000):
        rows = pl.DataFrame({"document": [f"d{i:05d}" for i in range(n)]})
        rows = rows.join(pl.DataFrame({"layer": range(200)}), how="cross")
        x = pl.int_range(pl.len()) * 7 % 1001 / 1001
        rows = rows.with_columns(model=pl.lit("m"), x=x, y=1 - x, other=x)
        (tmp_path / f"{n}").mkdir()
        rows.write_parquet(tmp_path / f"{n}" / "heads.parquet", row_group_size=20_000)
        command = [sys.executable, "-c", PEAK, str(tmp_path / f"{n}"), str(n)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout))
    assert peaks[1] < peaks[0] + 60, peaks
