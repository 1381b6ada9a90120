"""The report of a run, and the report of its finished jobs, which needs no Snakemake."""

import sys
from pathlib import Path

from typer import Typer
from typer.main import get_command

from sinkscope.config import load, read_config
from sinkscope.errors import SinkscopeError
from sinkscope.grid import Grid
from sinkscope.jobs.execution import Job, at_work
from sinkscope.jobs.failures import LOGS
from sinkscope.jobs.wanted import Wanted
from sinkscope.version import environment

RESULTS = Path("results")
REPORT = Path("reports")


def write_report_of(job: Job, directory: Path) -> None:
    """Write the report of a job's request from the existing tables and figures. Raises
    SinkscopeError if models and documents are no longer those of the request."""
    request = job.request
    wanted = Wanted(Grid(load(request["config"], directory)), directory)
    now = wanted.report().content
    if any(now[key] != request[key] for key in ("models", "left_out", "parts")):
        raise SinkscopeError(
            "report: models, documents or weights were changed after this run was started; run "
            "again."
        )
    write_pages(wanted, job)


def write_pages(wanted: Wanted, job: Job) -> None:
    """Write the pages of a job's request; its stamp records the installed packages."""
    from sinkscope.report.about import Origin
    from sinkscope.report.build import write_report

    job.facts = {"versions": environment()}
    origin = Origin(job.request["commit"], job.request["repository"])
    write_report(wanted, RESULTS, REPORT, origin, job.request["sections"])


def report_finished(config: Path, directory: Path, commands: Typer) -> None:
    """Reduce, join, draw and report the finished jobs of a run; the report lists missing cells.
    config: of the run; `-` is standard input. commands: those of jobs. Raises
    SinkscopeError if no job has finished."""
    grid = Grid(load(read_config(Path("/dev/stdin") if str(config) == "-" else config), directory))
    wanted = Wanted(grid, directory, finished_only=True)
    if not wanted.cells():
        raise SinkscopeError(
            f"no extraction job of {grid.config.raw['models']} has finished here; run snakemake "
            "first."
        )
    for request in wanted.all():
        # The report also gives the reasons of failures, which are not part of its request.
        if request.job != "report" and wanted.is_made(request):
            continue
        print(f"Making {request.job}", file=sys.stderr)
        with at_work(LOGS / f"{request.log}.log", Path(request.stamp), request.content) as job:
            if request.job == "report":
                write_pages(wanted, job)
            else:
                get_command(commands).main(list(request.command), standalone_mode=False, obj=job)
    print(f"The report of what has finished: {REPORT / 'index.html'}", file=sys.stderr)
