"""A run that is killed leaves nothing by a final name that is not whole, and no litter for good."""

import os
import signal
import time

FIGURES = "reports/figures/minilm"
PATIENCE = 120


def at_work(project):
    """A run in the midst of drawing figures."""
    process = project.start(FIGURES)
    until = time.monotonic() + PATIENCE
    while not project.begun("reports"):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.01)
    return process


def test_what_a_killed_run_had_begun_is_taken_away_by_the_next(project):
    process = at_work(project)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert project.begun("reports")
    assert not (project.folder / FIGURES).exists()
    assert project.snakemake("--unlock").returncode == 0
    done = project.snakemake(FIGURES)
    assert done.returncode == 0, done.stdout
    assert project.begun("results") == project.begun("reports") == []


def test_a_run_beside_another_leaves_it_what_it_is_writing(project):
    process = at_work(project)
    os.killpg(process.pid, signal.SIGSTOP)  # as long as it takes
    beside = project.snakemake("results/experiments/norms/minilm/0000")
    assert beside.returncode == 0, beside.stdout
    assert "Another run is at work in this folder" in beside.stdout
    os.killpg(process.pid, signal.SIGCONT)
    said, _ = process.communicate()
    assert process.returncode == 0, said
    assert "Another run" not in said
    assert (project.folder / FIGURES / "figures.json").is_file()
