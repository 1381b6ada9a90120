"""Why jobs failed: `results/logs/JOB.failed`, beside the log of each job.

JOB is the rule and its wildcards, as in the path of the log: `extract/minilm/0000`. A job writes
the file when it starts, saying that it was killed, and removes it when it has succeeded. What
raises an error puts the reason there. A job that is killed cannot, so that the first text stays.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from sinkscope.errors import PassingError, SinkscopeError
from sinkscope.files import read_json, write_json, write_text

LOGS = Path("results/logs")  # in the working directory
RUN = LOGS / "run"
KILLED = (
    "the job is running, or was killed before it could say why (memory, time, a lost host, "
    "or cancelled)"
)


@dataclass(frozen=True)
class Failure:
    """problems: one sentence each. final: another attempt would end in the same way; problems
    then are complete sentences for the user. run: the run of Snakemake that the job was part of.
    """

    problems: list[str]
    final: bool
    run: str


def failure_path(directory: Path, job: str) -> Path:
    return directory / LOGS / f"{job}.failed"


def read_failure(directory: Path, job: str) -> Failure | None:
    """None where the job did not run or succeeded, or where its file is cut short."""
    with suppress(OSError, ValueError, TypeError):
        return Failure(**read_json(failure_path(directory, job)))
    return None


def reason(directory: Path, job: str) -> str | None:
    """One text for the report: why a job failed, and its log where that says more."""
    failure = read_failure(directory, job)
    if failure is None:
        return None
    text = " ".join(failure.problems)
    return text if failure.final else f"{text}; see {LOGS / job}.log"


def begin_run(directory: Path) -> None:
    """To be called when a run of Snakemake starts: what failed before may succeed now."""
    write_text(directory / RUN, uuid.uuid4().hex)


def _current_run() -> str:
    return RUN.read_text(encoding="utf-8") if RUN.is_file() else ""


@contextmanager
def recorded(log: Path) -> Iterator[None]:
    """Keep why the block fails, beside the job's log; what was raised goes on.

    A job whose failure in this run is final is not run again: SinkscopeError says the same.
    """
    path, run = log.with_suffix(".failed"), _current_run()
    with suppress(OSError, ValueError, TypeError):
        before = Failure(**read_json(path))
        if before.final and before.run == run != "":
            raise SinkscopeError("\n".join(before.problems))
    write_json(path, asdict(Failure([KILLED], False, run)))
    try:
        yield
    except Exception as error:
        final = isinstance(error, SinkscopeError) and not isinstance(error, PassingError)
        with suppress(SinkscopeError):  # a full disk must not hide what went wrong
            write_json(path, asdict(Failure(problems_of(error), final, run)))
        raise
    path.unlink(missing_ok=True)


def problems_of(error: Exception) -> list[str]:
    """The sentences of an error of ours; else the type and the first line of the message."""
    lines = str(error).strip().splitlines()
    if isinstance(error, SinkscopeError):
        return lines
    return [": ".join([type(error).__name__, *lines[:1]])]


def attempt_to_plan(directory: Path, job: str, attempt: int) -> int:
    """The attempt that memory and time are reckoned for: 1 where the last one failed for good, so
    that the job only repeats its sentence."""
    failure = read_failure(directory, job) if attempt > 1 else None
    return 1 if failure is not None and failure.final else attempt


def changes(directory: Path) -> dict[str, int]:
    """When the failure of each job was written, to tell those of a run from earlier ones."""
    folder = directory / LOGS
    return {
        path.relative_to(folder).with_suffix("").as_posix(): path.stat().st_mtime_ns
        for path in sorted(folder.rglob("[!.]*.failed"))
    }


def failed_since(directory: Path, earlier: Mapping[str, int]) -> dict[str, Failure]:
    """Job to failure, of the failures that are not those of `earlier`."""
    jobs = [job for job, when in changes(directory).items() if earlier.get(job) != when]
    found = {job: read_failure(directory, job) for job in jobs}
    return {job: failure for job, failure in found.items() if failure is not None}


def closing_list(failed: Mapping[str, Failure], shards: Mapping[str, Sequence[str]]) -> list[str]:
    """Lines for the end of a run: every reason once, with the jobs that failed for it.

    shards: names of the documents of each shard.
    """
    if not failed:
        return ["No job left a reason; the messages above say what failed."]
    jobs: dict[str, list[str]] = {}
    for job, failure in failed.items():
        log = "" if failure.final else f", log: {LOGS / job}.log"
        for problem in failure.problems:
            jobs.setdefault(problem, []).append(_shown(job, shards) + log)
    lines = ["1 job failed:" if len(failed) == 1 else f"{len(failed)} jobs failed:"]
    for problem, of_jobs in jobs.items():
        lines += [f"  {problem}", *(f"    {job}" for job in of_jobs)]
    return lines


def _shown(job: str, shards: Mapping[str, Sequence[str]]) -> str:
    """`extract minilm 0000 (one, two)`; of many documents, the first and the last."""
    rule, *wildcards = job.split("/")
    names = list(shards.get(wildcards[-1], [])) if len(wildcards) > 1 else []
    if len(names) > 4:
        names = [names[0], "...", names[-1]]
    return " ".join([rule, *wildcards]) + (f" ({', '.join(names)})" if names else "")
