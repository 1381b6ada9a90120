"""Execution of a job of the workflow. Only one job at a time works on a result, over all machines:
what a killed run left behind does no harm. The reason of a failure is kept beside the job's log.
The stamp of a success states the request, its times, and the hash of each file."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from sinkscope.errors import PassingError
from sinkscope.files import leftovers, noted, read_json, remove, sha256_of, write_json
from sinkscope.jobs.failures import LOGS, RUN, read_failure, recorded, without_digest
from sinkscope.jobs.request import prefix_of, stamps_of

ASKED = "SINKSCOPE_ASKED"  # in the environment of a run's jobs: when it was started, in ns


@dataclass
class Job:
    """A running job. request: content of its request. stamp: path of its stamp. facts: further
    entries of the stamp. files: hashes that the job knows already, by path."""

    request: dict[str, Any]
    stamp: Path
    facts: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


@contextmanager
def at_work(log: Path, stamp: Path, request: dict[str, Any]) -> Iterator[Job]:
    """Run the block as a job. Raises SinkscopeError if the job has failed for good in this run."""
    with alone(log), recorded(log):
        refuse_late(log, stamp)
        forget(log, stamp)
        job, started = Job(request, stamp), now()
        with noted() as paths:
            yield job
        files = job.files | {
            path.as_posix(): sha256_of(path)
            for path in files_in(paths)
            if path.as_posix() not in job.files
        }
        times = {"started": started, "ended": now()}
        content = {"request": request, **job.facts, **times, "files": dict(sorted(files.items()))}
        write_json(stamp, content)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def refuse_late(log: Path, stamp: Path) -> None:
    """Raises PassingError for a job of an earlier run if a later run has requested something else:
    a scheduler may start a job long after its run was killed."""
    path = lock_of(log).with_suffix(".last")
    asked = int(os.environ.get(ASKED, "0"))
    with suppress(OSError, ValueError, TypeError, KeyError):
        last = read_json(path)
        if asked and last["asked"] > asked and last["stamp"] != stamp.name:
            raise PassingError(
                f"{job_of(log)}: this job is of an earlier run, and a later one has requested "
                "something else; nothing was done."
            )
    write_json(path, {"asked": asked, "stamp": stamp.name})


def forget(log: Path, stamp: Path) -> None:
    """Remove stamps and failure records of other requests of this job, and unfinished files of
    killed jobs. The stamp of the same request stays, because its result is the same."""
    prefix = stamp.with_name(prefix_of(stamp))
    for old in stamps_of(prefix):
        if old.name != stamp.name:
            old.unlink(missing_ok=True)
    name = without_digest(log.stem)
    for failed in log.parent.glob(f"{name}.*.failed"):
        if failed.stem != log.stem and without_digest(failed.stem) == name:
            failed.unlink(missing_ok=True)
    # `made` is the stamp of a folder that belongs to this job alone.
    unfinished = leftovers(prefix.parent, None if prefix.name == "made" else [prefix.name])
    for path in [*unfinished, *leftovers(prefix.parent.parent, [prefix.parent.name])]:
        remove(path)


def files_in(paths: list[Path]) -> Iterator[Path]:
    """The files among `paths` and in their folders. Renamed paths no longer exist."""
    for path in paths:
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (file for file in inside if file.is_file())


def job_of(log: Path) -> str:
    """Name of the job of a log, without the digest of its request."""
    return without_digest(log.with_suffix("").relative_to(LOGS).as_posix())


def lock_of(log: Path) -> Path:
    return LOGS.parent / "locks" / f"{job_of(log)}.lock"


@contextmanager
def alone(log: Path) -> Iterator[None]:
    """Hold the lock of this job, for any of its requests; wait while another process holds it."""
    path = lock_of(log)
    job = job_of(log)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        message = f"{job}: {holder(job)} is at work on it; waiting until it ends."
        print(message, file=sys.stderr, flush=True)
        lock.acquire()
    except NotImplementedError:  # a file system without locks
        yield
        return
    try:
        yield
    finally:
        lock.release()


def is_held(log: Path) -> bool:
    """Whether a process is at work on this job."""
    path = lock_of(log)
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(NotImplementedError):
        try:
            FileLock(path).acquire(timeout=0).lock.release()
        except Timeout:
            return True
    return False


def wait_for(log: Path) -> None:
    """Wait until no process is at work on this job."""
    with alone(log):
        pass


def made_in_this_run(stamp: Path) -> bool:
    """Whether a result was made since the run was started, and not only before."""
    if not stamp.is_file():
        return False
    return not RUN.is_file() or stamp.stat().st_mtime_ns >= RUN.stat().st_mtime_ns


def holder(job: str) -> str:
    """The process that works on a job, from its failure record."""
    for path in sorted((LOGS / job).parent.glob(f"{Path(job).name}*.failed")):
        name = path.relative_to(LOGS).with_suffix("").as_posix()
        failure = read_failure(Path("."), name)
        if without_digest(name) == job and failure is not None and failure.where:
            return failure.where
    return "another process"
