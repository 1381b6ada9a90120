"""A run of the workflow: its plan for Snakemake, and the handlers of its start and end, which a
Snakefile that uses the workflow as a module calls in its own."""

import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from sinkscope.claims.file import read_claims
from sinkscope.cluster.requests import Requests
from sinkscope.config import keep_listings, load
from sinkscope.errors import SinkscopeError, sentences
from sinkscope.files import check_braces, write_text
from sinkscope.grid import Grid
from sinkscope.jobs.ahead import Part, write_ahead
from sinkscope.jobs.execution import ASKED
from sinkscope.jobs.failures import (
    attempt_to_plan,
    begin_run,
    changes,
    closing_list,
    failed_since,
)
from sinkscope.jobs.planning import other_grid, unready
from sinkscope.jobs.superseded import remove_superseded
from sinkscope.jobs.wanted import Wanted
from sinkscope.mapping import read_mapping
from sinkscope.printable import printable
from sinkscope.report.provenance import NOT_RUN, missing
from sinkscope.shipped import SHIPPED

CHILD = "SINKSCOPE_RUN"  # set in the environment of the jobs of a run
MOST_GROUPED = 10_000  # jobs of a run

Result = TypeVar("Result")


class Run:
    """A run: its grid, its requests, and the resources that its jobs request."""

    def __init__(self, config: Mapping[str, Any], files: Sequence[Path]) -> None:
        """Raises SinkscopeError with one line per problem."""
        here = Path.cwd()
        self.grid = Grid(load(dict(config), here, files))
        self.wanted = Wanted(self.grid, here)
        self.wanted.report()  # covers all other requests, so unreadable inputs raise here
        self.asks = Requests(self.grid, here)
        self.cannot_run = unready(self.wanted)
        # Tables, figures and report as one job of a cluster. Snakemake checks a group against every
        # job of the run, once per pair of the group's jobs.
        self.group = "report" if len(self.wanted.all()) <= MOST_GROUPED else None
        # Of the jobs that Snakemake has asked for: their models, and what is to be measured.
        self.used: set[str] = set()
        self.measuring: set[tuple[str, str, str]] = set()
        self._earlier: dict[str, int] = {}

    def announce(self) -> None:
        """Print what cannot run, and whether this run replaces the tables of another grid."""
        note = other_grid(self.grid, Path.cwd())
        left_out = [f"left out: {entry.reason}" for entry in self.grid.refused]
        for line in [*left_out, *chain(*self.cannot_run.values()), *([note] if note else [])]:
            print(f"sinkscope: {printable(line)}", file=sys.stderr)

    def ahead(self) -> list[Part]:
        """The measurements that Snakemake has asked for and that are not made."""
        asked = [(self.wanted.measure(*names), names[2]) for names in sorted(self.measuring)]
        return [
            Part(request, self.wanted.documents_read(shard))
            for request, shard in asked
            if not self.wanted.is_made(request)
        ]

    def begin(self, *, keep_going: bool, is_local: bool) -> None:
        lines = [*chain(*(self.cannot_run[one] for one in self.cannot_run if one in self.used))]
        if lines and not keep_going:
            lines.append(
                "nothing was started; correct this, or run the other models with --keep-going."
            )
            raise SinkscopeError("\n".join(lines))
        self._earlier = changes(Path.cwd())
        os.environ[CHILD] = name = begin_run(Path.cwd())
        write_ahead(self.ahead() if is_local else [], Path.cwd(), name)
        os.environ[ASKED] = str(time.time_ns())
        # For readers, and for `sinkscope check`; no job reads it.
        write_text(Path("results/config.yaml"), self.grid.snapshot())
        keep_listings(self.grid.config.raw, Path.cwd())
        remove_superseded(self.grid, Path.cwd())

    def succeed(self) -> None:
        """List the cells without a result, and why, except those whose job was not run."""
        of_reason: dict[str, list[str]] = {}
        for cells in missing(self.wanted):
            if cells.reason != NOT_RUN:
                of_reason.setdefault(cells.reason, []).append(cells.model)
        for why, models in of_reason.items():
            print(printable(f"No result for {', '.join(models)}: {why}"), file=sys.stderr)

    def fail(self) -> None:
        """Write the report of the finished jobs, and list the failed jobs."""
        if Wanted(self.grid, Path.cwd(), finished_only=True).cells():
            command = [sys.executable, "-m", "sinkscope", "report", "--partial", "--config", "-"]
            process = subprocess.run(command, input=self.grid.snapshot(), text=True, check=False)
            if process.returncode:
                print("No report of the finished jobs was written.", file=sys.stderr)
        failed = failed_since(Path.cwd(), self._earlier)
        names = {
            shard: [document.name for document in documents]
            for shard, documents in self.grid.shards.items()
        }
        print("\n".join(closing_list(failed, names)), file=sys.stderr)

    def attempt(self, log: str, attempt: int) -> int:
        """The attempt that a job's resources are planned for. A job that failed for good only
        repeats its message, so it requests no more than for its first attempt."""
        return attempt_to_plan(Path.cwd(), log, attempt)


_runs: dict[str, Run] = {}  # by configuration; handlers are given the configuration alone


def checked_files(*paths: str | Path) -> list[Path]:
    """The configuration files that exist, in increasing precedence. The process exits if one is
    wrong: Snakemake does not say where, and keeps the last of two equal keys."""
    files = [Path(path) for path in paths if Path(path).is_file()]
    or_exit(check_braces, str(SHIPPED), "the clone")
    for path in files:
        or_exit(read_mapping, path)
    return files


def planned(config: Mapping[str, Any], files: Sequence[Path] = ()) -> Run:
    """The checked run of a merged configuration. If anything is wrong, the process exits with one
    line per problem. files: the merged files, as checked_files returns them."""
    collect_rarely()
    run = _runs[_key(config)] = or_exit(Run, config, files)
    if CHILD not in os.environ:
        run.announce()
    if "claims" in run.grid.config.raw["experiments"]:
        or_exit(read_claims, run.wanted.claims_file())
    return run


def collect_rarely() -> None:
    """Raise the thresholds of Python's garbage collector: requests live as long as the process, and
    searching all of them again and again takes a third of the time of a large plan."""
    gc.set_threshold(200_000, 30, 30)


def or_exit(function: Callable[..., Result], *arguments: Any) -> Result:
    """The function's result. A SinkscopeError ends the process with its sentences alone."""
    try:
        return function(*arguments)
    except SinkscopeError as error:
        sys.exit(sentences(error))


def begin(config: Mapping[str, Any], *, keep_going: bool = False, is_local: bool = False) -> None:
    """The handler of the start of a run. is_local: whether all jobs run on this host."""
    run = _runs[_key(config)]
    or_exit(partial(run.begin, keep_going=keep_going, is_local=is_local))


def succeed(config: Mapping[str, Any]) -> None:
    """The handler of the successful end of a run."""
    _runs[_key(config)].succeed()


def fail(config: Mapping[str, Any]) -> None:
    """The handler of a run with a failed job."""
    _runs[_key(config)].fail()


def _key(config: Mapping[str, Any]) -> str:
    return json.dumps(config, sort_keys=True, default=str)
