"""What jobs do around their work: one at a time, with a stamp when they have succeeded."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sinkscope.errors import SinkscopeError
from sinkscope.files import read_json, replaced_folder, sha256_of, write_text, written
from sinkscope.jobs.execution import at_work
from sinkscope.jobs.request import Request
from sinkscope.jobs.stamps import discard, files_of, stamps


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def norms(**content):
    place = "results/experiments/norms/m/0000/made"
    return Request("norms/m/0000", place, {"tokens": 9} | content)


def work(request, text="numbers"):
    log, stamp = Path(f"results/logs/{request.log}.log"), Path(request.stamp)
    with (
        at_work(log, stamp, request.content),
        replaced_folder(stamp.parent) as out,
        written(out / "a.parquet") as file,
    ):
        file.write_text(text)


def there(top="results"):
    return sorted(path.as_posix() for path in Path(top).rglob("*") if path.is_file())


def test_a_job_that_succeeds_states_what_it_was_asked_for_and_what_it_has_made():
    request = norms()
    work(request)
    said = read_json(Path(request.stamp))
    assert said["request"] == {"tokens": 9}
    path = "results/experiments/norms/m/0000/a.parquet"
    assert said["files"] == {path: sha256_of(Path(path))}
    assert list(stamps(Path("."))) == [Path(request.stamp)]


def test_a_job_that_is_asked_for_something_else_leaves_one_stamp():
    for tokens in (9, 10, 9):
        work(norms(tokens=tokens))
        assert [path.name for path in stamps(Path("."))] == [Path(norms(tokens=tokens).stamp).name]


def test_a_job_that_fails_leaves_no_stamp_of_itself_nor_of_an_earlier_one():
    work(norms())
    with (
        pytest.raises(SinkscopeError),
        at_work(Path(f"results/logs/{norms(tokens=10).log}.log"), Path(norms(tokens=10).stamp), {}),
    ):
        raise SinkscopeError("model 'm': is bad.")
    assert list(stamps(Path("."))) == []
    failed = Path(f"results/logs/{norms(tokens=10).log}.failed")
    assert read_json(failed)["problems"] == [{"document": None, "reason": "model 'm': is bad."}]
    work(norms())
    assert not failed.exists()


def test_what_a_killed_job_had_begun_is_taken_away_and_nothing_else():
    request = norms()
    for name in ("0000/.a.parquet.abcd1234.part", ".0000.abcd1234.part/new/a.parquet",
                 ".0001.abcd1234.part/new/a.parquet", "0000/notes.part"):  # fmt: skip
        write_text(Path("results/experiments/norms/m") / name, "begun")
    with at_work(Path(f"results/logs/{request.log}.log"), Path(request.stamp), request.content):
        left = [name for name in there() if "/norms/m/" in name and "logs" not in name]
    assert [name.partition("/norms/m/")[2] for name in left if "locks" not in name] == [
        ".0001.abcd1234.part/new/a.parquet",
        "0000/notes.part",
    ]


HOLDS = """
import sys, time
from pathlib import Path
from sinkscope.jobs.execution import at_work
log, stamp = map(Path, sys.argv[1:])
with at_work(log, stamp, {"tokens": 9}):
    print("here", flush=True)
    sys.stdin.read()
"""


def test_a_job_waits_for_another_at_the_same_place_and_says_for_whom(capfd):
    one, two = norms(), norms(tokens=10)
    other = subprocess.Popen(
        [sys.executable, "-c", HOLDS, f"results/logs/{one.log}.log", one.stamp],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert other.stdout.readline() == "here\n"
    waiting = subprocess.Popen(
        [sys.executable, "-c", HOLDS, f"results/logs/{two.log}.log", two.stamp],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    said = waiting.stderr.readline()
    assert said.startswith(f"norms/m/0000: process {other.pid} on ")
    assert said.endswith("is at work on it; waiting until it ends.\n")
    elsewhere = Request("norms/m/0001", "results/experiments/norms/m/0001/made", {})
    work(elsewhere)  # another job does not wait
    other.communicate("")
    assert waiting.stdout.readline() == "here\n"
    waiting.communicate("")
    assert [path.name for path in stamps(Path(".")) if "0000" in path.parts] == [
        Path(two.stamp).name
    ]


def test_a_lock_ends_with_its_process():
    one = norms()
    other = subprocess.Popen(
        [sys.executable, "-c", HOLDS, f"results/logs/{one.log}.log", one.stamp],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert other.stdout.readline() == "here\n"
    other.kill()
    other.wait()
    started = time.monotonic()
    work(one)
    assert time.monotonic() - started < 5


def test_what_is_damaged_counts_as_not_done_with_all_that_was_made_of_it(folder):
    part = norms()
    work(part)
    join = Request("norms_tables", "results/made/norms", {"parts": [part.digest]})
    report = Request("report", "results/made/report", {"parts": [join.digest]})
    other = Request("bos_tables", "results/made/bos", {"parts": ["0123456789ab"]})
    for request in (join, report, other):
        with at_work(Path(f"results/logs/{request.log}.log"), Path(request.stamp), request.content):
            write_text(Path("results/tables") / f"{request.job}.csv", "x")
    discard(folder, Path(part.stamp).parent / "a.parquet")
    assert [path.as_posix() for path in stamps(Path("."))] == [other.stamp]
    assert files_of(Path(other.stamp)).keys() == {"results/tables/bos_tables.csv"}


def test_a_stamp_that_cannot_be_read_states_nothing():
    work(norms())
    for content in ("", "{", "[]", json.dumps({"files": 3})):
        Path(norms().stamp).write_text(content)
        assert files_of(Path(norms().stamp)) == {}
