"""`bench plan`: a small plan, as it is kept and printed."""

import json

from typer.testing import CliRunner

from sinkscope.bench.plan import MODELS, make_project
from sinkscope.cli import app
from sinkscope.config import load
from sinkscope.grid import Grid
from sinkscope.jobs.wanted import Wanted


def test_a_plan_is_measured(tmp_path, monkeypatch):
    # The whole dry run starts Snakemake, which takes 3 s and is run in tests/workflow.
    monkeypatch.setattr("sinkscope.bench.plan.dry_run", lambda folder: 1.5)
    options = ["--documents", "20", "--per-job", "8", "--rounds", "1"]
    out = tmp_path / "plan.json"
    done = CliRunner().invoke(app, ["bench", "plan", *options, "--out", str(out)])
    assert done.exit_code == 0, done.output
    kept = json.loads(out.read_text())
    with_experiments, without = kept["rows"]
    assert without["experiments"] == 0 < with_experiments["experiments"]
    assert with_experiments["jobs"] > without["jobs"] > len(MODELS) * 3
    assert 0 < without["requests_cpu_seconds"] < 60
    assert "7 models x 20 documents" in done.output


def test_its_project_is_a_grid_of_different_documents(tmp_path):
    config = make_project(tmp_path, 20, 8, [])
    grid = Grid(load(config, tmp_path))
    assert len(grid.config.documents) == 20
    assert len(grid.config.models) == len(MODELS)
    assert len({request.stamp for request in Wanted(grid, tmp_path).all()}) == len(
        Wanted(grid, tmp_path).all()
    )
