"""Files that are cut short are taken away, so that they are made again; others stay."""

import subprocess
import sys

import polars as pl
import pytest

from sinkscope.files import replaced_folder, write_json
from sinkscope.mend import mend, sweep

EXPERIMENT = ("experiments/norms/m/activations", "experiments/norms/m/norms")


@pytest.fixture
def folder(tmp_path):
    """Two manifests of a cell each, a table, a reduced one, and two of an experiment."""
    for name in ("one", "two"):
        cell = tmp_path / "results" / "cells" / "m" / f"{name}.safetensors"
        cell.parent.mkdir(parents=True, exist_ok=True)
        cell.write_bytes(b"x" * 1000)
        entry = {"cell": f"results/cells/m/{name}.safetensors", "cell_bytes": 1000}
        write_json(tmp_path / "results" / "shards" / "m" / f"{name}.json", {"cells": [entry]})
    for path in ("tables/heads", "reduced/m/heads", *EXPERIMENT):
        table = tmp_path / "results" / f"{path}.parquet"
        table.parent.mkdir(parents=True, exist_ok=True)
        pl.DataFrame({"layer": [0, 1]}).write_parquet(table)
    return tmp_path


def files(folder):
    results = folder / "results"
    return {str(path.relative_to(results)) for path in results.rglob("*") if path.is_file()}


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_whole_results_stay_and_so_does_a_folder_without_any(folder, tmp_path):
    before = files(folder)
    assert mend(folder) == []
    assert files(folder) == before
    assert mend(tmp_path / "nowhere") == []


@pytest.mark.parametrize("how", ["cut", "emptied", "lost"])
@pytest.mark.parametrize("which", ["cells/m/one.safetensors", "shards/m/one.json"])
def test_a_manifest_goes_where_it_or_a_cell_is_not_whole(folder, which, how):
    path, before = folder / "results" / which, files(folder)
    if how == "cut":
        cut(path)
    elif how == "emptied":
        path.write_bytes(b"")
    else:
        path.unlink()
    told = mend(folder)
    lost = {which} if how == "lost" else set()
    assert files(folder) == before - {"shards/m/one.json"} - lost
    assert len(told) == (0 if (which, how) == ("shards/m/one.json", "lost") else 1)
    assert all(sentence.startswith("results/shards/m/one.json: ") for sentence in told)


@pytest.mark.parametrize("kept", [0, 3, 100])
@pytest.mark.parametrize("which", ["tables/heads", "reduced/m/heads", "experiments/norms/m/norms"])
def test_a_table_that_is_cut_short_goes_with_what_its_job_made(folder, which, kept):
    path, before = folder / "results" / f"{which}.parquet", files(folder)
    path.write_bytes(path.read_bytes()[:kept])
    gone = EXPERIMENT if which in EXPERIMENT else (which,)
    assert mend(folder) == [f"results/{which}.parquet: is cut short; it is made again."]
    assert files(folder) == before - {f"{name}.parquet" for name in gone}
    assert (folder / "results/experiments/norms/m").exists() == (which not in EXPERIMENT)


def test_of_an_experiment_whose_tables_are_all_cut_short_the_folder_goes_once(folder):
    for name in EXPERIMENT:
        cut(folder / "results" / f"{name}.parquet")
    assert len(mend(folder)) == 1
    assert not (folder / "results/experiments/norms/m").exists()


def test_what_a_job_is_writing_is_left_to_it(folder):
    before = files(folder)
    with replaced_folder(folder / "results/experiments/norms/other") as new:
        (new / "norms.parquet").write_bytes(b"PAR1 and no more so far")
        assert mend(folder) == []
        assert (new / "norms.parquet").is_file()
    assert files(folder) == before | {"experiments/norms/other/norms.parquet"}


KILLED = """
import os
from pathlib import Path
from sinkscope.files import replaced_folder, written

with replaced_folder(Path("results/experiments/norms/m")) as folder:
    (folder / "norms.parquet").write_bytes(b"PAR1")
    with written(Path("reports/index.html")), written(Path("results/tables/heads.parquet")):
        os._exit(9)
"""


def test_what_killed_jobs_had_begun_is_swept_away_and_nothing_else(folder):
    (folder / "results/tables/.snakemake_timestamp").touch()
    (folder / "results/tables/a.part").touch()  # a name like any other
    before = set(folder.rglob("*"))
    subprocess.run([sys.executable, "-c", KILLED], cwd=folder, check=False)
    begun = set(folder.rglob("*")) - before
    assert len([path for path in begun if path.name.endswith(".part")]) == 3
    sweep(folder)
    assert set(folder.rglob("*")) == before | {folder / "reports"}


def test_a_folder_without_results_is_swept_too(tmp_path):
    sweep(tmp_path)
    assert not list(tmp_path.iterdir())
