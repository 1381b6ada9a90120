"""A heat map as a figure of its own."""

import json

import numpy as np
import polars as pl
import pytest

from report.made import HOSTILE_TOKENS
from sinkscope.atlas.heat_map import find_cell, write_heat_map
from sinkscope.errors import SinkscopeError
from sinkscope.extract.cell import Cell, cell_path, read_cell


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


def test_a_map_says_its_scale_and_what_every_key_receives(cell, tmp_path):
    for log, scale in ((False, "part of 1, linear"), (True, "part of 1, logarithmic")):
        write_heat_map(cell, "1", tmp_path / "map.svg", log=log)
        text = (tmp_path / "map.svg").read_text(encoding="utf-8")
        for expected in (scale, "two, layer 1, mean over heads: dec", "received"):
            assert expected in text
    write_heat_map(cell, "1", tmp_path / "map.json")
    drawn = pl.read_csv(
        json.loads((tmp_path / "map.json").read_text())["datasets"]["drawn"].encode()
    )
    expected = cell["map"][1].astype(np.float64).sum(0) / cell.n_tokens
    np.testing.assert_allclose(drawn["received"], expected, atol=2e-6)


def test_a_document_whose_maps_are_not_kept_is_named_with_what_to_do(cell, tmp_path):
    arrays = {name: cell[name] for name in cell.arrays if "map" not in name}
    with pytest.raises(
        SinkscopeError, match=r"maps of 'two' were not kept.*raise documents_in_report"
    ):
        write_heat_map(Cell(cell.meta, arrays), "0", tmp_path / "map.svg")


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
    there = r"layers are 0 to 3, single heads \(LAYER/HEAD\) 1/0, 2/1\."
    with pytest.raises(SinkscopeError, match=f"'two' has no map of layer 99; {there}"):
        write_heat_map(cell, "99", tmp_path / "map.svg")
    with pytest.raises(SinkscopeError, match=f"'two' has no map of layer 1, head 1; {there}"):
        write_heat_map(cell, "1-1", tmp_path / "map.svg")
    with pytest.raises(SinkscopeError, match=r"map\.gif: a map is written as"):
        write_heat_map(cell, "0", tmp_path / "map.gif")


@pytest.mark.parametrize(
    ("model", "document", "there"),
    [
        ("nobody", "one", "models there: dec, enc."),
        ("dec", "nothing", "documents there: one, two."),
        ("../cells/dec", "one", "models there: dec, enc."),
        ("dec", "../dec/one", "documents there: one, two."),
    ],
)
def test_a_wrong_model_or_document_lists_what_there_is(site, model, document, there):
    with pytest.raises(SinkscopeError) as error:
        find_cell(site.folder / "results", model, document)
    assert str(error.value).endswith(there)
    assert f"'{document if model == 'dec' else model}'" in str(error.value)


def test_a_folder_without_cells_says_what_to_run_and_long_lists_are_cut(tmp_path):
    with pytest.raises(SinkscopeError, match="none, run snakemake first"):
        find_cell(tmp_path / "results", "m", "d")
    for number in range(60):
        path = cell_path(tmp_path / "results", "m", f"news-{number:02d}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with pytest.raises(SinkscopeError, match=r"news-00, .*, news-19 and 40 more\."):
        find_cell(tmp_path / "results", "m", "d")
    assert find_cell(tmp_path / "results", "m", "news-33") == path.parent / "news-33.safetensors"


def test_a_cell_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SinkscopeError, match="does not exist"):
        read_cell(cell_path(tmp_path, "m", "d"))
