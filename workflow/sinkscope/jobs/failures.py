"""Failure records of jobs: `results/logs/JOB.failed`, beside the log of each job, such as
`extract/minilm/0000.3fa9c1d2e4b5`. A job writes the record when it starts, with the reason that it
was killed; an error replaces the reason, and success removes the record."""

import os
import re
import socket
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from sinkscope.declarations.experiment import ALL
from sinkscope.errors import DocumentsError, PassingError, SinkscopeError
from sinkscope.files import read_json, write_json, write_text
from sinkscope.jobs.request import DIGEST

LOGS = Path("results/logs")  # in the working directory
RUN = LOGS / "run"
KILLED = (
    "the job is running, or was killed without a message (memory, time, a lost host, or cancelled)"
)


@dataclass(frozen=True)
class Failure:
    """The failure of one job.

    problems: each {"document": name or None, "reason": sentence}. final: whether another attempt
    would fail in the same way; the reasons are then complete sentences for the user. run: the
    Snakemake run that the job belonged to. where: the machine, process and cluster job.
    """

    problems: list[dict[str, str | None]]
    final: bool
    run: str
    where: str = ""

    @property
    def reasons(self) -> list[str]:
        return list(dict.fromkeys(str(problem["reason"]) for problem in self.problems))


def failure_path(directory: Path, job: str) -> Path:
    return directory / LOGS / f"{job}.failed"


def read_failure(directory: Path, job: str) -> Failure | None:
    """The failure of a job; None if it did not run, succeeded, or its record is truncated."""
    with suppress(OSError, ValueError, TypeError):
        return Failure(**read_json(failure_path(directory, job)))
    return None


def reason(directory: Path, job: str, document: str | None = None) -> str | None:
    """For the report: why a job, or its document, failed, and its log if the log says more."""
    failure = read_failure(directory, job)
    if failure is None:
        return None
    reasons = [str(one["reason"]) for one in failure.problems if one["document"] == document]
    text = " ".join(reasons or failure.reasons)
    return text if failure.final else f"{text}; see {LOGS / job}.log"


def begin_run(directory: Path) -> str:
    """Register the start of a run of Snakemake, so that failed jobs may run again; its name."""
    name = uuid.uuid4().hex
    write_text(directory / RUN, name)
    return name


@contextmanager
def recorded(log: Path) -> Iterator[None]:
    """Record why the block fails, beside the job's log; the exception propagates. A job whose
    failure in this run is final raises the same SinkscopeError again."""
    path, run = log.with_suffix(".failed"), RUN.read_text() if RUN.is_file() else ""
    with suppress(OSError, ValueError, TypeError):
        before = Failure(**read_json(path))
        if before.final and before.run == run != "":
            raise SinkscopeError("\n".join(before.reasons))
    problem: dict[str, str | None] = {"document": None, "reason": KILLED}
    write_json(path, asdict(Failure([problem], False, run, where())))
    try:
        yield
    except Exception as error:
        final = isinstance(error, SinkscopeError) and not isinstance(error, PassingError)
        with suppress(SinkscopeError):  # a full disk must not hide what went wrong
            write_json(path, asdict(Failure(problems_of(error), final, run, where())))
        raise
    path.unlink(missing_ok=True)


def where() -> str:
    """This process in words, for a user who wants to end it."""
    job = os.environ.get("SLURM_JOB_ID")
    on_cluster = f"cluster job {job}, " if job else ""
    return f"{on_cluster}process {os.getpid()} on {socket.gethostname()}"


def problems_of(error: Exception) -> list[dict[str, str | None]]:
    """The problems of an error. A SinkscopeError gives its sentences, per document if it has them;
    any other exception gives its type and the first line of its message."""
    if isinstance(error, DocumentsError):
        return [{"document": name, "reason": str(one)} for name, one in error.of_document.items()]
    lines = str(error).strip().splitlines()
    if not isinstance(error, SinkscopeError):
        lines = [": ".join([type(error).__name__, *lines[:1]])]
    return [{"document": None, "reason": line} for line in lines]


def attempt_to_plan(directory: Path, job: str, attempt: int) -> int:
    """The attempt that memory and time are planned for: 1 if the last one failed for good."""
    failure = read_failure(directory, job) if attempt > 1 else None
    return 1 if failure is not None and failure.final else attempt


def changes(directory: Path) -> dict[str, int]:
    """Time of each failure record by job, to distinguish those of a run from earlier ones."""
    folder = directory / LOGS
    return {
        path.relative_to(folder).with_suffix("").as_posix(): path.stat().st_mtime_ns
        for path in sorted(folder.rglob("[!.]*.failed"))
    }


def failed_since(directory: Path, earlier: Mapping[str, int]) -> dict[str, Failure]:
    """Job to failure, for the records that are new or changed since `earlier`."""
    jobs = [job for job, when in changes(directory).items() if earlier.get(job) != when]
    failures = {job: read_failure(directory, job) for job in jobs}
    return {job: failure for job, failure in failures.items() if failure is not None}


def closing_list(failed: Mapping[str, Failure], shards: Mapping[str, Sequence[str]]) -> list[str]:
    """For the end of a run: each reason once, with the jobs that failed for it. shards: of
    documents."""
    if not failed:
        return ["No job left a reason; the messages above say what failed."]
    jobs: dict[str, list[str]] = {}
    for job, failure in failed.items():
        log = "" if failure.final else f", log: {LOGS / job}.log"
        for problem in failure.reasons:
            jobs.setdefault(problem, []).append(_shown(job, shards) + log)
    lines = ["1 job failed:" if len(failed) == 1 else f"{len(failed)} jobs failed:"]
    for problem, of_jobs in jobs.items():
        lines += [f"  {problem}", *(f"    {job}" for job in of_jobs)]
    return lines


def without_digest(job: str) -> str:
    """A job's name without the hash of its request."""
    return re.sub(rf"\.{DIGEST}$", "", job)


def _shown(job: str, shards: Mapping[str, Sequence[str]]) -> str:
    """`extract minilm 0000 (one, two)`; of more than 4 documents, the first and the last."""
    rule, *wildcards = without_digest(job).split("/")
    names = list(shards.get(wildcards[-1], [])) if len(wildcards) > 1 else []
    if len(names) > 4:
        names = [names[0], "...", names[-1]]
    wildcards = [part for part in wildcards if part != ALL]
    return " ".join([rule, *wildcards]) + (f" ({', '.join(names)})" if names else "")
