"""The page of two runs, and its command."""

import base64
import shutil

import polars as pl
import pytest

from report.made import HOSTILE, scripts_in, specs_in, strict_json
from report.test_report import Elements
from sinkscope.compare.job import compare_runs, page
from sinkscope.compare.pictures import pairs
from sinkscope.errors import SinkscopeError
from sinkscope.files import read_json, write_json


@pytest.fixture(scope="module")
def runs(site, tmp_path_factory):
    """The run, and another with the masses of one model raised and without a table."""
    other = tmp_path_factory.mktemp("other") / "results" / "tables"
    shutil.copytree(site.results / "tables", other)
    for name in ("sink_mass", "findings"):
        path = other / f"{name}.parquet"
        frame = pl.read_parquet(path)
        value = "mass" if name == "sink_mass" else "value"
        raised = pl.when(model="dec").then(pl.col(value) + 0.02).otherwise(value)
        frame.with_columns(raised.alias(value)).write_parquet(path)
    (other / "norms.parquet").unlink()
    return site.folder, other.parent.parent


def test_the_page_counts_what_changed_and_escapes_what_it_shows(runs):
    compared = compare_runs(*runs)
    (masses,) = (table for table in compared.tables if table.name == "sink_mass")
    assert set(masses.changes["model"]) == {"dec"}
    assert masses.n_beyond == masses.changes.height > 0
    html = page(compared)
    assert HOSTILE not in html
    text = Elements(html).text
    assert "norms is only in run A" in " ".join(text.split())
    assert f"{masses.n_beyond} of" in text
    for content in (*scripts_in(html, "application/json").values(), *specs_in(html).values()):
        strict_json(content)
    ids = [a["id"] for _, a in Elements(html).found if "id" in a]
    assert len(ids) == len(set(ids))


def test_a_run_equals_itself(runs):
    compared = compare_runs(runs[0], runs[0])
    assert not any(table.differences for table in compared.tables)
    html = page(compared)
    assert "side-by-side" not in html


def test_figures_that_differ_stand_side_by_side(site, tmp_path):
    """One with other data, one with another sentence, one that a run lacks, and no others."""
    a, b = tmp_path / "a" / "results", tmp_path / "b" / "results"
    for copy in (a, b):
        shutil.copytree(site.results, copy)
    folder = b / "figures" / "all"
    words = read_json(folder / "figures.json")
    other_data, other_sentence, lacking = words[0], words[1], words[2]
    (folder / f"{other_data['name']}.csv").write_text("model,mass\n")
    other_sentence["finding"] = f"{HOSTILE} has more."
    write_json(folder / "figures.json", [one for one in words if one is not lacking])
    found = list(pairs(a, b))
    names = [f"all/{one['name']}" for one in (other_data, other_sentence, lacking)]
    assert [pair.name for pair in found] == names
    html = page(compare_runs(a, b))
    assert HOSTILE not in html
    images = [one for name, one in Elements(html).found if name == "img"]
    assert len(images) == 5  # two, two and one
    svg = (a / "figures" / "all" / f"{lacking['name']}.svg").read_bytes()
    assert base64.b64decode(images[-1]["src"].split(",")[1]) == svg
    assert "Run B has no such figure" in Elements(html).text


def test_a_folder_without_tables_is_an_error(runs, tmp_path):
    with pytest.raises(SinkscopeError, match="has no tables"):
        compare_runs(runs[0], tmp_path)
