"""What every job of the workflow does around its work.

One job at a time is at work on a result, on whatever machine: another one waits, so that jobs which
a killed run left behind disturb nobody. Why a job fails is kept beside its log. When it has
succeeded, its stamp says what it was made from, and the hash of each file.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from sinkscope.errors import PassingError
from sinkscope.files import leftovers, noted, read_json, remove, sha256_of, write_json
from sinkscope.jobs.failures import LOGS, read_failure, recorded, without_digest
from sinkscope.jobs.request import place_of, stamps_of

ASKED = "SINKSCOPE_ASKED"  # in the environment of a run's jobs: when it was started, in ns


@dataclass
class Job:
    """A job at work. request: what it is asked for. stamp: where it says what it has made. facts:
    what it says beside that. files: hashes that it knows, by path."""

    request: dict[str, Any]
    stamp: Path
    facts: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


@contextmanager
def at_work(log: Path, stamp: Path, request: dict[str, Any]) -> Iterator[Job]:
    """A job of the workflow; the block is its work. Raises SinkscopeError where it has failed for
    good in this run."""
    with alone(log), recorded(log):
        refuse_late(log, stamp)
        forget(log, stamp)
        job = Job(request, stamp)
        with noted() as paths:
            yield job
        files = job.files | {
            path.as_posix(): sha256_of(path)
            for path in files_in(paths)
            if path.as_posix() not in job.files
        }
        write_json(stamp, {"request": request, **job.facts, "files": dict(sorted(files.items()))})


def refuse_late(log: Path, stamp: Path) -> None:
    """Let what was asked for last be made last.

    A scheduler may start a job long after its run was killed, when a later run has made something
    else in its place. Raises PassingError then: that is no fault of what the job was asked for.
    """
    path = lock_of(log).with_suffix(".last")
    asked = int(os.environ.get(ASKED, "0"))
    with suppress(OSError, ValueError, TypeError, KeyError):
        last = read_json(path)
        if asked and last["asked"] > asked and last["stamp"] != stamp.name:
            raise PassingError(
                f"{job_of(log)}: this job is of an earlier run, and a later one has asked for "
                "something else; nothing was done."
            )
    write_json(path, {"asked": asked, "stamp": stamp.name})


def forget(log: Path, stamp: Path) -> None:
    """Take away what says that the job has made something, or has failed, for other requests, and
    what killed ones had begun. The stamp of the same request stays: what is made is the same."""
    place = stamp.with_name(place_of(stamp))
    for old in stamps_of(place):
        if old.name != stamp.name:
            old.unlink(missing_ok=True)
    name = without_digest(log.stem)
    for failed in log.parent.glob(f"{name}.*.failed"):
        if failed.stem != log.stem and without_digest(failed.stem) == name:
            failed.unlink(missing_ok=True)
    # `made` is the stamp of a folder that is the job's own.
    begun = leftovers(place.parent, None if place.name == "made" else [place.name])
    for path in [*begun, *leftovers(place.parent.parent, [place.parent.name])]:
        remove(path)


def files_in(paths: list[Path]) -> Iterator[Path]:
    """The files themselves, and those in the folders. What was written into a folder that has got
    its name since is no more where it was."""
    for path in paths:
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (file for file in inside if file.is_file())


def job_of(log: Path) -> str:
    """The job of a log, whatever it was asked for."""
    return without_digest(log.with_suffix("").relative_to(LOGS).as_posix())


def lock_of(log: Path) -> Path:
    return LOGS.parent / "locks" / f"{job_of(log)}.lock"


@contextmanager
def alone(log: Path) -> Iterator[None]:
    """Wait until no other process is at work on this job, whatever it was asked for."""
    path = lock_of(log)
    job = job_of(log)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        said = f"{job}: {holder(job)} is at work on it; waiting until it ends."
        print(said, file=sys.stderr, flush=True)
        lock.acquire()
    except NotImplementedError:  # a file system without locks
        yield
        return
    try:
        yield
    finally:
        lock.release()


def holder(job: str) -> str:
    """Who is at work on a job, as its record says."""
    for path in sorted((LOGS / job).parent.glob(f"{Path(job).name}*.failed")):
        name = path.relative_to(LOGS).with_suffix("").as_posix()
        failure = read_failure(Path("."), name)
        if without_digest(name) == job and failure is not None and failure.where:
            return failure.where
    return "another process"
