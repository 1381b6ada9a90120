"""Every failed job leaves its reason, and a run lists those of its own jobs."""

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from sinkscope.cli import main
from sinkscope.errors import PassingError, SinkscopeError, error_class
from sinkscope.jobs import failures
from sinkscope.jobs.failures import attempt_to_plan, begin_run, closing_list, read_failure, recorded

LOG = Path("results/logs/reduce/m.log")
JOB = "reduce/m"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    begin_run(tmp_path)
    return tmp_path


def fail(error, log=LOG):
    with pytest.raises(type(error)), recorded(log):
        raise error


@pytest.mark.parametrize(
    ("error", "problem", "final"),
    [
        (SinkscopeError("model 'm': is bad.\nmodel 'm': is worse."), "model 'm': is bad.", True),
        (PassingError("x: no space left; free some."), "x: no space left; free some.", False),
        (KeyError("tokens"), "KeyError: 'tokens'", False),
        (RuntimeError("first line\nsecond line"), "RuntimeError: first line", False),
        (MemoryError(), "MemoryError", False),
    ],
)
def test_whatever_a_job_raises_leaves_its_first_line(folder, error, problem, final):
    fail(error)
    failure = read_failure(folder, JOB)
    assert failure.reasons[0] == problem
    assert failure.final == final
    shown = failures.reason(folder, JOB)
    assert shown.startswith(problem)
    assert ("see results/logs/reduce/m.log" in shown) == (not final)


def test_a_job_that_succeeds_leaves_nothing_and_one_that_is_killed_says_so(folder):
    fail(PassingError("once"))
    with recorded(LOG):
        pass
    assert read_failure(folder, JOB) is None
    code = f"""
import os
from pathlib import Path
from sinkscope.jobs.failures import recorded
with recorded(Path({str(LOG)!r})):
    os._exit(137)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    failure = read_failure(folder, JOB)
    assert "was killed" in failure.reasons[0]
    assert not failure.final


def test_only_a_final_failure_of_the_same_run_is_repeated_without_work(folder):
    def runs():
        """Whether the job is run; if so, it succeeds."""
        done = []
        with contextlib.suppress(SinkscopeError), recorded(LOG):
            done.append(True)
        return bool(done)

    final = SinkscopeError("model 'm': is bad.\nmodel 'm': is worse.")
    fail(final)
    for _ in range(2):
        with pytest.raises(SinkscopeError, match=str(final)), recorded(LOG):
            pytest.fail("it is run again")
    assert [attempt_to_plan(folder, JOB, attempt) for attempt in (1, 2, 3)] == [1, 1, 1]
    begin_run(folder)
    assert runs()
    fail(PassingError("x: no space left; free some."))
    assert attempt_to_plan(folder, JOB, 3) == 3
    assert runs()
    assert attempt_to_plan(folder, JOB, 3) == 3
    # By hand, outside of a run, a job is always run.
    (folder / failures.RUN).unlink()
    fail(final)
    assert runs()


def test_a_job_on_the_command_line_leaves_its_reason_whatever_goes_wrong(folder, monkeypatch):
    """A manifest without its entries is a KeyError, a missing one a sentence."""
    (folder / "manifest.json").write_text("{}")
    for name, exception, word in (
        ("manifest.json", KeyError, "KeyError: "),
        ("absent.json", SystemExit, "absent.json: this result is not here; "),
    ):
        options = ["--log", str(LOG), "--stamp", "results/reduced/m/made.json", "--request"]
        command = ["sinkscope", *options, '{"epsilon": 0.3, "tie_tolerance": 0.02}', "reduce", name]
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(exception):
            main()
        assert read_failure(folder, JOB).reasons[0].startswith(word)


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (MemoryError(), PassingError),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes"), PassingError),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), PassingError),
        (RuntimeError("shape '[3]' is invalid for input of size 4"), SinkscopeError),
        (IndexError("index out of range in self"), SinkscopeError),
    ],
)
def test_more_memory_may_help_only_where_memory_was_short(cause, expected):
    assert error_class(cause) is expected


def test_a_run_lists_each_reason_once_with_all_its_jobs_and_nothing_of_earlier_runs(folder):
    fail(SinkscopeError("old."), Path("results/logs/bos/old.log"))
    earlier = failures.changes(folder)
    begin_run(folder)
    for log in ("extract/m/0001", "norms/m"):
        fail(SinkscopeError("model 'm': no weights."), Path(f"results/logs/{log}.log"))
    fail(KeyError("x"), Path("results/logs/tables.log"))
    failed = failures.failed_since(folder, earlier)
    assert closing_list(failed, {"0001": ["one", "two"]}) == [
        "3 jobs failed:",
        "  model 'm': no weights.",
        "    extract m 0001 (one, two)",
        "    norms m",
        "  KeyError: 'x'",
        "    tables, log: results/logs/tables.log",
    ]
    many = closing_list(failed, {"0001": [f"text-{i}" for i in range(50)]})
    assert "    extract m 0001 (text-0, ..., text-49)" in many
    # The same failure again, in a later run, is that run's.
    earlier = failures.changes(folder)
    begin_run(folder)
    fail(KeyError("x"), Path("results/logs/tables.log"))
    assert list(failures.failed_since(folder, earlier)) == ["tables"]
    assert "above" in closing_list({}, {})[0]
