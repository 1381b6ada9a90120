"""Runs that are killed, and the jobs that they leave at work: nothing half written has its final
name, and what a job makes is taken for what it was asked for."""

import os
import shutil
import signal
import time

import polars as pl
import pytest

PATIENCE = 120
TABLES = "tables"


def at_work(project, top, target, *options):
    """A run in the midst of writing below `top`."""
    process = project.start(target, *options)
    until = time.monotonic() + PATIENCE
    while not project.begun(top):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.01)
    return process


def processes_of(project):
    """Ids of the processes that are extraction jobs of the project's folder."""
    found = []
    for process in os.listdir("/proc"):
        try:
            here = os.readlink(f"/proc/{process}/cwd") == str(project.folder)
            with open(f"/proc/{process}/cmdline", "rb") as file:
                line = file.read()
        except (OSError, ValueError):
            continue
        if here and b"bin/sinkscope" in line and b"\0extract\0" in line:
            found.append(int(process))
    return found


def killed_alone(project, *options, stopped=False):
    """A run whose Snakemake is killed in the midst of extraction, while its jobs go on. Who has
    it holds the other end of what the jobs write to. stopped: the job is stopped before, as it may
    end sooner than a test looks for it."""
    process = project.start(TABLES, *options, "--cores", "1")
    until = time.monotonic() + PATIENCE
    while not processes_of(project):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.01)
    if stopped:
        while not list((project.folder / "results/locks/extract").rglob("*.lock")):
            assert time.monotonic() < until
            time.sleep(0.01)
        time.sleep(0.05)  # until it holds the lock
        for job in processes_of(project):
            os.kill(job, signal.SIGSTOP)
    process.kill()
    process.wait()
    assert project.snakemake("--unlock").returncode == 0
    return process


def ended(project):
    until = time.monotonic() + PATIENCE
    while processes_of(project):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_what_a_killed_run_had_begun_is_taken_away_by_the_next(project):
    figures = project.wanted().figures("minilm").stamp
    process = at_work(project, "results/figures", figures)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert project.begun("results/figures")
    assert not (project.folder / "results/figures/minilm/figures.json").exists()
    assert project.snakemake("--unlock").returncode == 0
    done = project.snakemake(figures)
    assert done.returncode == 0, done.stdout
    assert project.begun("results") == project.begun("reports") == []


def test_a_run_beside_another_leaves_it_what_it_is_writing(project):
    figures = project.wanted().figures("minilm").stamp
    process = at_work(project, "results/figures", figures)
    os.killpg(process.pid, signal.SIGSTOP)  # as long as it takes
    beside = project.snakemake(project.wanted().measure("norms", "minilm", "0000").stamp)
    assert beside.returncode == 0, beside.stdout
    os.killpg(process.pid, signal.SIGCONT)
    said, _ = process.communicate()
    assert process.returncode == 0, said
    assert (project.folder / "results/figures/minilm/figures.json").is_file()


@pytest.fixture
def small(project):
    project.models("gpt2\tzoo:gpt2")
    (project.workflow / "zoo").exists() or (project.workflow / "zoo").symlink_to(project.ZOO)
    return project


def test_what_the_jobs_of_a_killed_run_made_is_not_taken_for_what_is_wanted_now(small):
    """Snakemake has no record of what they were asked for; their stamps say it."""
    killed = killed_alone(small, "--config", "window=9")
    ended(small)
    assert killed.returncode == -signal.SIGKILL
    assert list((small.folder / "results/shards/gpt2").glob("0000.*.json"))
    shutil.rmtree(small.folder / ".snakemake")  # it has the job for one that did not end
    assert "extract" not in small.planned(TABLES, "--config", "window=9")
    assert small.planned(TABLES, "--config", "window=10")["extract"] == 1
    small.models("gpt2\tzoo:llama")
    assert small.planned(TABLES, "--config", "window=9")["extract"] == 1
    done = small.snakemake(TABLES, "--config", "window=9")
    assert done.returncode == 0, done.stdout
    models = pl.read_parquet(small.folder / "results/tables/models.parquet")
    assert models["source"].to_list() == ["zoo:llama"]


def test_a_job_waits_for_one_that_a_killed_run_left_at_work(small):
    """Both write the same files; asked for other things, the later one has the last word."""
    killed = killed_alone(small, "--config", "window=9", stopped=True)
    (job,) = processes_of(small)
    process = small.start(TABLES, "--config", "window=10")
    lines = iter(process.stdout.readline, "")
    waiting = next(line for line in lines if "waiting until it ends" in line)
    assert waiting.startswith(f"extract/gpt2/0000: process {job} on ")
    os.kill(job, signal.SIGCONT)
    said, _ = process.communicate()
    assert process.returncode == 0, said
    assert killed.returncode == -signal.SIGKILL
    wanted = small.wanted(window=10)
    assert [path.name for path in (small.folder / "results/shards/gpt2").iterdir()] == [
        wanted.extract("gpt2", "0000").stamp.rpartition("/")[2]
    ]
    rate = pl.read_parquet(small.folder / "results/tables/sink_rate.parquet")
    assert 10 in rate["window"].to_list()
    assert 9 not in rate["window"].to_list()
