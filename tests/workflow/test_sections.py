"""Sections that experiments add to the report, as the workflow makes them."""

import json

import pytest

import records
from workflow.project import MINILM, Project, copy_of_workflow


@pytest.fixture
def with_zoo(tmp_path):
    """A project whose workflow has a zoo: one model, trained with records."""
    workflow = copy_of_workflow(tmp_path / "clone")
    folder = records.write(workflow / "zoo" / "made", "zoo-made", "made")
    (folder / "config.json").write_text("{}")
    return Project(tmp_path / "project", workflow)


def test_records_of_the_zoo_become_sections_of_the_report(with_zoo):
    assert "emergence_tables" not in with_zoo.planned()
    with_zoo.models(MINILM, "zoo-made\tzoo:made")
    planned = with_zoo.planned()
    assert planned["emergence_tables"] == planned["section_emergence"] == 1
    wanted, folder = "section_emergence", "results/sections/emergence"
    done = with_zoo.snakemake(wanted)
    assert done.returncode == 0, done.stdout
    listed = json.loads((with_zoo.folder / folder / "figures.json").read_text())
    assert listed[0]["name"] == "emergence_growth"
    assert with_zoo.planned(wanted) == {}
    # Trained anew, or under another name, the sections are made anew.
    records.write(with_zoo.workflow / "zoo" / "made", "zoo-made", "made", log={"mass": 0.4})
    assert with_zoo.planned(wanted) == {"emergence_tables": 1, "section_emergence": 1}
    assert with_zoo.snakemake(wanted).returncode == 0
    with_zoo.models(MINILM, "renamed\tzoo:made")
    assert with_zoo.planned(wanted) == {"emergence_tables": 1, "section_emergence": 1}


def test_a_record_that_cannot_be_read_is_named(with_zoo):
    with_zoo.models("zoo-made\tzoo:made")
    (with_zoo.workflow / "zoo/made/evaluation.parquet").write_text("no table")
    done = with_zoo.snakemake("results/tables/attachment.parquet")
    assert done.returncode != 0
    assert "zoo/made/evaluation.parquet: is not a record of training" in done.stdout
    assert "Traceback" not in done.stdout
