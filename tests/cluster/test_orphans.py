"""Which jobs of a cluster a new run may end. SLURM's programs are stood in for by scripts; the real
ones are there in tests/slurm."""

import os

import pytest

from sinkscope.cluster.orphans import cancel_left_behind, left_behind
from sinkscope.errors import SinkscopeError

RUN = "sinkscope_ac3dc7b3-2f7a-4cdb-993f-b7291d7e6ebe"
OTHER = "sinkscope_bbbbbbbb-2f7a-4cdb-993f-b7291d7e6ebe"


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """queue(*lines) lists jobs as ID NAME FOLDER; cancelled() says which were."""
    programs, jobs, gone = (tmp_path / name for name in ("bin", "jobs", "gone"))
    programs.mkdir()
    gone.touch()
    scripts = {
        "squeue": f"grep -vwFf {gone} {jobs} | cut -d' ' -f1,2; true",
        "scontrol": f'grep "^$4 " {jobs} | sed "s|.* |JobId=$4 StdOut=|"',
        "scancel": f'printf "%s\\n" "$@" >> {gone}',
    }
    for name, script in scripts.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")

    def queue(*lines):
        jobs.write_text("".join(f"{line}\n" for line in lines))
        return programs

    queue.cancelled = lambda: gone.read_text().split()
    return queue


def test_jobs_of_earlier_runs_in_this_folder_are_cancelled_and_no_others(slurm, tmp_path):
    here, there = (tmp_path / name / ".snakemake/slurm_logs" for name in ("here", "there"))
    slurm(
        f"11 {RUN} {here}/rule_extract/m_0000/11.log",
        f"12 {RUN} {here}/rule_extract/m_0001/12.log",
        f"13 {OTHER} {there}/rule_extract/m_0000/13.log",
        f"14 sinkscope_notes {here}/14.log",
        f"15 snakemake {here}/15.log",
    )
    assert left_behind(tmp_path / "here") == ["11", "12"]
    assert cancel_left_behind(tmp_path / "here") == ["11", "12"]
    assert slurm.cancelled() == ["11", "12"]
    assert cancel_left_behind(tmp_path / "here") == []


def test_an_empty_queue_is_left_alone(slurm, tmp_path):
    slurm()
    assert cancel_left_behind(tmp_path) == []
    assert slurm.cancelled() == []


def test_a_cluster_that_does_not_answer_is_one_sentence(slurm, tmp_path, monkeypatch):
    programs = slurm()
    (programs / "squeue").write_text("#!/bin/sh\necho 'Unable to contact controller' >&2\nexit 1\n")
    with pytest.raises(SinkscopeError, match=r"squeue failed \(Unable to contact controller\)"):
        left_behind(tmp_path)
    (programs / "squeue").unlink()
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(SinkscopeError, match=r"squeue: .*run this where SLURM answers"):
        left_behind(tmp_path)
