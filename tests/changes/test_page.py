"""The page of two runs, and its command."""

import shutil

import polars as pl
import pytest

from report.made import HOSTILE, scripts_in, strict_json
from report.test_report import Elements
from sinkscope.compare.job import compare_runs, page
from sinkscope.errors import SinkscopeError


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
    for content in scripts_in(html, "application/json").values():
        strict_json(content)
    ids = [a["id"] for _, a in Elements(html).found if "id" in a]
    assert len(ids) == len(set(ids))


def test_a_run_equals_itself(runs):
    compared = compare_runs(runs[0], runs[0])
    assert not any(table.differences for table in compared.tables)
    assert "changed by more than documents vary" in Elements(page(compared)).text


def test_a_folder_without_tables_is_an_error(runs, tmp_path):
    with pytest.raises(SinkscopeError, match="has no tables"):
        compare_runs(runs[0], tmp_path)
