"""CSV files that a spreadsheet can open without running what a document says."""

import csv

import altair as alt
import polars as pl
import pytest

from sinkscope.atlas.tables import TABLES
from sinkscope.charts.figure import Figure, write_figure
from sinkscope.charts.theme import DATA_NAME, data_source
from sinkscope.files import read_json
from sinkscope.tables.contract import as_csv, write_table

TOKENS = ["=1+1", "+1", "-", "@SUM(A1)", "\tx", "\rx", "a=1", '"=1"', "", "'", "5"]
SAFE = ["'=1+1", "'+1", "'-", "'@SUM(A1)", "'\tx", "'\rx", *TOKENS[6:]]


def read(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_numbers_and_missing_values_stay_as_they_are():
    frame = pl.DataFrame({"token": ["-", None], "share": [-0.5, None], "count": [-3, 1]})
    assert as_csv(frame) == "token,share,count\n'-,-0.5,-3\n,,1\n"
    assert as_csv(frame.drop("token")) == "share,count\n-0.5,-3\n,1\n"


def test_a_table_is_safe_as_csv_and_exact_as_parquet(tmp_path):
    name = "max_attention_tokens"
    columns = TABLES[name].schema
    values = {
        key: [1] * len(TOKENS) if kind.is_numeric() else TOKENS for key, kind in columns.items()
    }
    write_table(pl.LazyFrame(values), name, TABLES[name], tmp_path)
    exact = pl.read_parquet(tmp_path / f"{name}.parquet")["token"].to_list()
    shown = [row["token"] for row in read(tmp_path / f"{name}.csv")]
    assert sorted(exact) == sorted(TOKENS)
    assert dict(zip(exact, shown, strict=True)) == dict(zip(TOKENS, SAFE, strict=True))


@pytest.mark.parametrize("token", ["=1+1", "-", "a=1"])
def test_a_figure_draws_the_token_itself(tmp_path, token):
    data = pl.DataFrame({"token": [token], "x": [-0.5]})
    chart = alt.Chart(data_source(data)).mark_point().encode(x="x:Q", y="token:N")
    write_figure(Figure("name", "title", "", "", chart, data), tmp_path)
    [row] = read(tmp_path / "name.csv")
    assert row == {"token": SAFE[TOKENS.index(token)], "x": "-0.5"}
    drawn = read_json(tmp_path / "name.json")["datasets"][DATA_NAME]
    assert [line["token"] for line in csv.DictReader(drawn.splitlines(keepends=True))] == [token]
