"""What is wanted now: the request of every job of a run, from its configuration and its files.

A request holds the hashes of the requests that it builds on, so that the request of the report
covers all of them. Nothing is written here, no model is loaded, and no library that draws or
computes: Snakemake asks whenever the workflow is read, also for a dry run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from sinkscope.charts.sections import SECTIONS, Section
from sinkscope.experiments.declared import THRESHOLDS
from sinkscope.grid import Grid
from sinkscope.jobs.code import code_hash
from sinkscope.jobs.of_tables import MADE, OfTables, digests
from sinkscope.jobs.request import Request
from sinkscope.reduce.experiments import EXPERIMENTS, OF_EXPERIMENT
from sinkscope.reduce.schemas import TABLES
from sinkscope.reduce.table import Table
from sinkscope.shipped import SHIPPED
from sinkscope.version import commit


class Wanted(OfTables):
    """Requests of all jobs of a grid.

    finished_only: of what is there already; reports are then of finished jobs alone.
    """

    def __init__(self, grid: Grid, directory: Path, *, finished_only: bool = False) -> None:
        super().__init__(grid, directory, finished_only=finished_only)
        self.figures = cache(self._figures)
        self.compare = cache(self._compare)
        self.maps = cache(self._maps)
        self.section = cache(self._section)
        self.report = cache(self._report)

    def sections(self) -> dict[str, Section]:
        """Sections of the report, in its order."""
        joins = self.joins()
        return {name: one for name, one in SECTIONS.items() if one.experiment in joins}

    # Figures and the report.

    def _figures(self, model: str) -> Request:
        return self._drawn(
            f"figures/{model}",
            "sinkscope.charts.of_model",
            [self.tables()],
            documents=self.grid.shown_documents(),
        )

    def _compare(self) -> Request:
        return self._drawn("figures/all", "sinkscope.charts.of_all", [self.tables()])

    def _maps(self, model: str) -> Request:
        shown = self.raw["documents_in_report"]
        return self._drawn(
            f"maps/{model}", "sinkscope.charts.maps", self.manifests(model), documents=shown
        )

    def _section(self, name: str) -> Request:
        section = self.sections()[name]
        return self._drawn(f"sections/{name}", section.module, self.parts_of_section(name))

    def parts_of_section(self, name: str) -> list[Request]:
        """The jobs that make its tables, each once."""
        parts = [self.table(table) for table in self.sections()[name].tables]
        return list({request.job: request for request in parts}.values())

    def _drawn(self, job: str, module: str, parts: Sequence[Request], **content: Any) -> Request:
        code = code_hash(module, "sinkscope.charts.job", "sinkscope.charts.select")
        content = {"code": code, "parts": digests(parts), **content}
        return Request(job, f"reports/{job}/made", content)

    def parts_of_report(self) -> list[Request]:
        return [
            *(self.tables(), *map(self.join, self.joins()), self.compare()),
            *(part for model in self.cells() for part in (self.figures(model), self.maps(model))),
            *map(self.section, self.sections()),
            # Tables stand for them; asked for by name, a lost one is made again.
            *(part for model in self.cells() for part in self.manifests(model)),
        ]

    def _report(self) -> Request:
        content = {
            "code": code_hash("sinkscope.report.build"),
            "commit": commit(SHIPPED),
            "config": self.raw,
            "models": [self.row(row.model) for row in self.grid.config.models],
            "unfinished": self.unfinished(),
            "sections": list(self.sections()),
            "left_out": [[entry.name, entry.reason] for entry in self.grid.refused],
            "parts": digests(self.parts_of_report()),
        }
        return Request("report", f"{MADE}/report", content)

    def unfinished(self) -> list[list[str]]:
        """Model and shard of the extraction jobs that a report is made without."""
        cells = self.cells()
        return [
            [model, shard]
            for model, shards in self.grid.cells.items()
            for shard in shards
            if shard not in cells.get(model, [])
        ]

    def of_job(self, job: str) -> Request:
        """The request of a job whose files are in a shared folder."""
        if job == "report":
            return self.report()
        return self.tables() if job == "tables" else self.join(job.removesuffix("_tables"))

    def files(self) -> dict[str, list[str]]:
        """The files that such jobs write, by job."""
        pages = [f"reports/{name}.html" for name in ("index", *self.cells())]
        if "claims" in self.sections():
            pages.append("reports/claims.html")
        return {
            "tables": files_of_tables(TABLES),
            **{
                f"{name}_tables": files_of_tables(
                    {table: EXPERIMENTS[table] for table in OF_EXPERIMENT[name]}
                )
                for name in self.joins()
            },
            "report": pages,
        }

    def all(self) -> list[Request]:
        """Every job of the run, each after those that it builds on."""
        models = list(self.cells())
        return [
            *(request for model in models for request in self.manifests(model)),
            *(part for name in (*THRESHOLDS, "padded") for part in self.measured(name)),
            *map(self.reduce, models),
            *(self.tables(), *map(self.join, self.joins()), self.compare()),
            *map(self.figures, models),
            *map(self.maps, models),
            *(*map(self.section, self.sections()), self.report()),
        ]


def files_of_tables(tables: Mapping[str, Table]) -> list[str]:
    kinds = {name: ("parquet", "csv") if one.csv else ("parquet",) for name, one in tables.items()}
    return [f"results/tables/{name}.{kind}" for name in kinds for kind in kinds[name]]
