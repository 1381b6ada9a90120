"""The current request of every job of a run, from its configuration and its files. A request holds
the hashes of those that it depends on. Snakemake calls this module whenever it reads the workflow:
it writes nothing, and loads no model and no library for drawing or computing."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from sinkscope.atlas.tables import tables_of_atlas
from sinkscope.catalogue import (
    OWN_PAGES,
    ReportSection,
    all_tables,
    pages_of,
    sections,
    tables_of,
)
from sinkscope.declarations.registry import measured
from sinkscope.discovery import in_order, modules_in
from sinkscope.errors import SinkscopeError
from sinkscope.findings.table import TABLES as FINDINGS
from sinkscope.grid import Grid
from sinkscope.jobs.code import code_hash
from sinkscope.jobs.of_tables import STAMPS, OfTables, digests, stamps
from sinkscope.jobs.request import Request, digest_of
from sinkscope.shipped import SHIPPED
from sinkscope.tables.contract import declared_as, files_of
from sinkscope.version import commit, repository

TABLES = "results/tables"


def check_pages(grid: Grid) -> None:
    """Raises SinkscopeError for models whose page would have the name of another page."""
    taken = {*OWN_PAGES, *sections()}
    if names := [row.model for row in grid.config.models if row.model in taken]:
        raise SinkscopeError(
            f"{grid.config.raw['models']}: the report already has a page named '{names[0]}'; "
            f"give the model a name other than {', '.join(sorted(taken))}."
        )


class Wanted(OfTables):
    """Requests of all jobs of a grid. finished_only: of the results of finished jobs alone."""

    def __init__(self, grid: Grid, directory: Path, *, finished_only: bool = False) -> None:
        check_pages(grid)
        super().__init__(grid, directory, finished_only=finished_only)
        self.figures = cache(self._figures)
        self.compare = cache(self._compare)
        self.maps = cache(self._maps)
        self.section = cache(self._section)
        self.findings = cache(self._findings)
        self.report = cache(self._report)

    def sections(self) -> dict[str, ReportSection]:
        """Sections of the report, in its order."""
        return sections(self.joins())

    # Figures and the report.

    def _figures(self, model: str) -> Request:
        modules = ("sinkscope.atlas.figures.job", *modules_in("sinkscope.atlas.figures.of_model"))
        documents = self.grid.shown_documents()
        command, parts = ("figures", "--model", model), [self.tables()]
        return self._drawn(f"figures/{model}", command, modules, parts, documents=documents)

    def _compare(self) -> Request:
        modules = ("sinkscope.atlas.figures.job", *modules_in("sinkscope.atlas.figures.of_all"))
        return self._drawn("figures/all", ("figures",), modules, [self.tables()])

    def _maps(self, model: str) -> Request:
        modules, documents = ("sinkscope.atlas.maps",), self.grid.shown_documents()
        parts = self.manifests(model)
        command = ("maps", *stamps(parts))
        content = {"documents": documents, "head_documents": self.raw["head_documents"]}
        return self._drawn(f"maps/{model}", command, modules, parts, **content)

    def _section(self, name: str) -> Request:
        entry = self.sections()[name]
        figures = in_order(entry.package, entry.section.figures)
        content: dict[str, Any] = {"package": entry.package}
        content["figures"] = list(entry.section.figures)
        content["tables"] = self.tables_of_section(name)
        content["every_kind"] = entry.section.every_kind
        modules, parts = ("sinkscope.charts.section", *figures), self.parts_of_section(name)
        return self._drawn(f"sections/{name}", ("section",), modules, parts, **content)

    def tables_of_section(self, name: str) -> list[str]:
        """Names of the tables that the figures of a section read in this run."""
        section = self.sections()[name].section
        joined = {table for join in self.joins() for table in tables_of(join)}
        return [*section.tables, *(table for table in section.more_tables if table in joined)]

    def parts_of_section(self, name: str) -> list[Request]:
        """The requests of the section's tables, each once."""
        parts = [self.table(table) for table in self.tables_of_section(name)]
        return list({request.job: request for request in parts}.values())

    def _drawn(
        self,
        job: str,
        command: tuple[str, ...],
        modules: Sequence[str],
        parts: Sequence[Request],
        **content: Any,
    ) -> Request:
        content = {"code": code_hash(*modules), "parts": digests(parts), **content}
        folder = "reports" if command[0] == "maps" else "results"  # pages load maps as they are
        return Request(job, f"{folder}/{job}/made", content, command)

    def figures_of_run(self) -> list[Request]:
        """The requests of the jobs that draw figures with a sentence."""
        models = map(self.figures, self.cells())
        return [self.compare(), *models, *map(self.section, self.sections())]

    def _findings(self) -> Request:
        content = {
            "code": code_hash("sinkscope.findings.job"),
            "schema": digest_of(declared_as(FINDINGS)),
            "parts": digests(self.figures_of_run()),
        }
        command = ("findings", *stamps(self.figures_of_run()))
        return Request("findings", f"{STAMPS}/findings", content, command)

    def parts_of_report(self) -> list[Request]:
        return [
            *(self.tables(), *map(self.join, self.joins())),
            *(*self.figures_of_run(), self.findings(), *map(self.maps, self.cells())),
            # The tables depend on these already. Listed by name, a lost one is computed again.
            *(part for model in self.cells() for part in self.manifests(model)),
        ]

    def _report(self) -> Request:
        content = {
            "code": code_hash("sinkscope.report.build"),
            "commit": commit(SHIPPED),
            "repository": repository(SHIPPED),
            "config": self.raw,
            "models": [self.row(row.model) for row in self.grid.config.models],
            "unfinished": self.unfinished(),
            "sections": list(self.sections()),
            "schema": digest_of(declared_as(all_tables())),
            "words": digest_of([one.section.words for one in self.sections().values()]),
            "left_out": [[entry.name, entry.reason] for entry in self.grid.refused],
            "parts": digests(self.parts_of_report()),
        }
        return Request("report", f"{STAMPS}/report", content, ("report",))

    def unfinished(self) -> list[list[str]]:
        """Model and shard of the extraction jobs that the report lacks."""
        finished = {(model, shard) for model, shards in self.cells().items() for shard in shards}
        return [
            [model, shard]
            for model, shards in self.grid.cells.items()
            for shard in shards
            if (model, shard) not in finished
        ]

    def of_job(self, job: str) -> Request:
        """The request of a job that writes into a shared folder."""
        if job in ("report", "findings"):
            return self.report() if job == "report" else self.findings()
        return self.tables() if job == "tables" else self.join(job.removesuffix("_tables"))

    def files(self) -> dict[str, list[str]]:
        """The files of the jobs that write into a shared folder, by job."""
        names = (*OWN_PAGES, *pages_of(self.sections()), *self.cells())
        pages = [f"reports/{name}.html" for name in names]
        return {
            "tables": files_of(tables_of_atlas(), TABLES),
            **{f"{name}_tables": files_of(tables_of(name), TABLES) for name in self.joins()},
            "findings": files_of(FINDINGS, TABLES),
            "report": pages,
        }

    def all(self) -> list[Request]:
        """Every request of the run, each after those that it depends on."""
        models = list(self.cells())
        return [
            *(request for model in models for request in self.manifests(model)),
            *(part for name in measured() for part in self.measured(name)),
            *map(self.reduce, models),
            *(self.tables(), *map(self.join, self.joins())),
            *(*self.figures_of_run(), self.findings()),
            *(*map(self.maps, models), self.report()),
        ]
