"""A heat map as a figure of its own."""

import json

import numpy as np
import polars as pl
import pytest

from report.made import HOSTILE_TOKENS
from sinkscope.charts.heat_map import write_heat_map
from sinkscope.errors import SinkscopeError
from sinkscope.extract.cell import cell_path, read_cell


@pytest.fixture
def cell(site):
    return read_cell(cell_path(site.folder / "results", "dec", "two"))


def test_the_numbers_are_those_of_the_cell(cell, tmp_path):
    write_heat_map(cell, "1", tmp_path / "map.csv")
    frame = pl.read_csv(tmp_path / "map.csv")
    side = len(cell["map"][1])
    found = frame["attention"].to_numpy().reshape(side, side)
    np.testing.assert_allclose(found, cell["map"][1].astype(np.float32), atol=1e-6)
    assert frame["query"].to_list() == [q for q in range(side) for _ in range(side)]


@pytest.mark.parametrize("ending", ["svg", "png", "json"])
def test_a_map_is_drawn_with_hostile_tokens_as_text(cell, tmp_path, ending):
    path = tmp_path / f"map.{ending}"
    write_heat_map(cell, "0", path)
    data = path.read_bytes()
    assert len(data) > 1000
    if ending == "json":
        json.loads(data)
    if ending == "svg":
        assert b"<script" not in data
    assert any(token in cell.meta["tokens"] for token in HOSTILE_TOKENS)


def test_a_map_that_is_not_there_is_named(cell, tmp_path):
    with pytest.raises(SinkscopeError, match="no map '99' is kept of 'two'"):
        write_heat_map(cell, "99", tmp_path / "map.svg")
    with pytest.raises(SinkscopeError, match=r"map\.gif: a map is written as"):
        write_heat_map(cell, "0", tmp_path / "map.gif")


def test_a_cell_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SinkscopeError, match="there is no such cell"):
        read_cell(cell_path(tmp_path, "m", "d"))
