"""The report of the finished jobs, without Snakemake: each stage is called as a function."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from sinkscope.config import load, read_config
from sinkscope.errors import SinkscopeError
from sinkscope.grid import Grid
from sinkscope.jobs.execution import at_work
from sinkscope.jobs.failures import LOGS
from sinkscope.jobs.request import Request
from sinkscope.jobs.wanted import Wanted

Step = tuple[Request, Callable[[], None]]

TABLES = Path("results/tables")
REPORT = Path("reports")


def write_report_of(request: dict[str, Any], directory: Path, out: Path) -> None:
    """Write the report of a request from the existing tables and figures.

    Raises SinkscopeError if the tables of models and documents are no longer those of the request.
    """
    wanted = Wanted(Grid(load(request["config"], directory)), directory)
    now = wanted.report().content
    if any(now[key] != request[key] for key in ("models", "left_out", "parts")):
        raise SinkscopeError(
            "report: models, documents or weights were changed after this run was started; run "
            "again."
        )
    write_pages(wanted, request, out)


def write_pages(wanted: Wanted, request: dict[str, Any], out: Path) -> None:
    from sinkscope.report.build import write_report

    write_report(wanted, TABLES, out, request["commit"], request["sections"])


def report_finished(config: Path, directory: Path) -> None:
    """Reduce, join, draw and report the finished jobs of a run; the report lists missing cells.

    config: the run's configuration; `-` is standard input. Raises SinkscopeError if no job has
    finished.
    """
    grid = Grid(load(read_config(Path("/dev/stdin") if str(config) == "-" else config), directory))
    wanted = Wanted(grid, directory, finished_only=True)
    if not wanted.cells():
        raise SinkscopeError(
            f"no extraction job of {grid.config.raw['models']} has finished here; run snakemake "
            "first."
        )
    for request, work in steps(wanted):
        # The report also gives the reasons of failures, which are not part of its request.
        if request.job == "report" or not wanted.is_made(request):
            print(f"Making {request.job}", file=sys.stderr)
            with at_work(LOGS / f"{request.log}.log", Path(request.stamp), request.content):
                work()
    print(f"The report of what has finished: {REPORT / 'index.html'}", file=sys.stderr)


def steps(wanted: Wanted) -> Iterator[Step]:
    """The requests of jobs that run no model, each with the function that does its work."""
    yield from steps_of_tables(wanted)
    yield from steps_of_figures(wanted)
    report = wanted.report()
    yield report, partial(write_pages, wanted, report.content, REPORT)


def steps_of_tables(wanted: Wanted) -> Iterator[Step]:
    from sinkscope.atlas import job
    from sinkscope.claims.verdicts import write_claims
    from sinkscope.derive.job import write_derived, write_recorded

    for model in wanted.cells():
        stamps = [Path(part.stamp) for part in wanted.manifests(model)]
        request = wanted.reduce(model)
        out, epsilon = folder_of(request), request.content["epsilon"]
        yield request, partial(job.reduce_model, stamps, out, epsilon, wanted.directory)
    parts = [folder_of(part) for part in wanted.parts_of_tables()]
    yield wanted.tables(), partial(job.write_tables, parts, TABLES)
    for name in wanted.joins():
        request = wanted.join(name)
        if name == "claims":
            names, file = wanted.tables_of_claims(), wanted.claims_file()
            yield request, partial(write_claims, file, TABLES, names, TABLES)
        elif recorded := wanted.recorded(name):
            yield request, partial(write_recorded, name, recorded, TABLES)
        else:
            folders = [folder_of(part) for part in wanted.measured(name)]
            yield request, partial(write_derived, name, folders, TABLES, wanted.threshold(name))


def steps_of_figures(wanted: Wanted) -> Iterator[Step]:
    from sinkscope.atlas import maps
    from sinkscope.atlas.figures.job import write_figures_of_all, write_figures_of_model
    from sinkscope.charts.section import write_section
    from sinkscope.findings.job import write_findings

    request = wanted.compare()
    yield request, partial(write_figures_of_all, TABLES, folder_of(request))
    for model in wanted.cells():
        request = wanted.figures(model)
        documents, out = request.content["documents"], folder_of(request)
        yield request, partial(write_figures_of_model, TABLES, out, model, documents)
        request = wanted.maps(model)
        stamps = [Path(part.stamp) for part in wanted.manifests(model)]
        n_documents, out = request.content["documents"], folder_of(request)
        yield request, partial(maps.write_maps, stamps, wanted.directory, out, n_documents)
    for name, entry in wanted.sections().items():
        request, one = wanted.section(name), entry.section
        out = folder_of(request)
        yield request, partial(write_section, entry.package, one.figures, one.tables, TABLES, out)
    folders = [folder_of(request) for request in wanted.figures_of_run()]
    yield wanted.findings(), partial(write_findings, folders, TABLES)


def folder_of(request: Request) -> Path:
    return Path(request.stamp).parent
