"""What is wanted now: the request of every job of a run, from its configuration and its files.

A request holds the hashes of the requests that it builds on, so that the request of the report
covers all of them. Nothing is written here, no model is loaded, and no library that draws or
computes: Snakemake asks whenever the workflow is read, also for a dry run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from sinkscope.charts.sections import SECTIONS, Section
from sinkscope.errors import SinkscopeError
from sinkscope.experiments.declared import ALL, OF_DOCUMENTS, THRESHOLDS
from sinkscope.grid import Grid
from sinkscope.jobs.code import code_hash
from sinkscope.jobs.of_models import OfModels
from sinkscope.jobs.request import Request
from sinkscope.reduce.emergence import RECORDS, recorded
from sinkscope.reduce.experiments import EXPERIMENTS, OF_EXPERIMENT
from sinkscope.reduce.schemas import TABLES
from sinkscope.reduce.table import Table
from sinkscope.shipped import SHIPPED
from sinkscope.version import commit

MADE = "results/made"  # stamps of jobs whose results are single files of a shared folder


class Wanted(OfModels):
    """Requests of all jobs of a grid.

    finished_only: of what is there already; reports are then of finished jobs alone.
    """

    def __init__(self, grid: Grid, directory: Path, *, finished_only: bool = False) -> None:
        super().__init__(grid, directory)
        self._finished_only = finished_only
        self.reduce = cache(self._reduce)
        self.tables = cache(self._tables)
        self.join = cache(self._join)
        self.section = cache(self._section)
        self.cells = cache(self._cells)
        self.measured = cache(self._measured)

    # What tables and report are made of.

    def _cells(self) -> Mapping[str, list[str]]:
        """Model to shards."""
        if not self._finished_only:
            return self.grid.cells
        found = {
            model: [s for s in shards if self.is_made(self.extract(model, s))]
            for model, shards in self.grid.cells.items()
        }
        return {model: shards for model, shards in found.items() if shards}

    def _measured(self, experiment: str) -> list[Request]:
        """The parts of an experiment, none where it is switched off."""
        if not self.grid.runs(experiment):
            return []
        parts = [
            self.measure(experiment, model, shard)
            for model, shards in self.cells().items()
            for shard in (shards if experiment in OF_DOCUMENTS else [ALL])
        ]
        return [part for part in parts if not self._finished_only or self.is_made(part)]

    def manifests(self, model: str) -> list[Request]:
        return [self.extract(model, shard) for shard in self.cells()[model]]

    def joins(self) -> list[str]:
        """Experiments of which there are tables, those of the zoo's training among them."""
        found = [name for name in OF_EXPERIMENT if name in THRESHOLDS and self.measured(name)]
        if "emergence" in self.raw["experiments"] and self.trained():
            found.append("emergence")
        return found + (["claims"] if "claims" in self.raw["experiments"] else [])

    def sections(self) -> dict[str, Section]:
        """Sections of the report, in its order."""
        joins = self.joins()
        return {name: one for name, one in SECTIONS.items() if one.experiment in joins}

    def trained(self) -> dict[str, Path]:
        """Model to its folder, of the zoo's models whose training was recorded."""
        return recorded(self.grid.config.models)

    # Tables.

    def _reduce(self, model: str) -> Request:
        content = {
            "code": code_hash("sinkscope.reduce.job"),
            "epsilon": self.raw["epsilon"],
            "parts": digests(self.manifests(model)),
        }
        return Request(f"reduce/{model}", f"results/reduced/{model}/made", content)

    def parts_of_tables(self) -> list[Request]:
        return [*map(self.reduce, self.cells()), *self.measured("padded")]

    def _tables(self) -> Request:
        code = code_hash("sinkscope.reduce.job")
        parts = digests(self.parts_of_tables())
        return Request("tables", f"{MADE}/tables", {"code": code, "parts": parts})

    def _join(self, experiment: str) -> Request:
        """The job that makes the tables of an experiment."""
        content: dict[str, Any]
        if experiment == "claims":
            content = {
                "code": code_hash("sinkscope.reduce.claims"),
                "claims": sha256(self.claims_file()),
                "parts": digests([self.tables(), *map(self.join, self.joins()[:-1])]),
            }
        elif experiment == "emergence":
            records = [path for paths in self.records().values() for path in paths]
            content = {
                "code": code_hash("sinkscope.reduce.emergence"),
                "models": list(self.trained()),
                "sha256": [sha256(path) for path in records],
            }
        else:
            # Heads of the atlas stand beside those of induction.
            beside = [self.tables()] if experiment == "induction" else []
            content = {
                "code": code_hash(f"sinkscope.reduce.{joined_by(experiment)}"),
                "threshold": self.threshold(experiment),
                "parts": digests([*beside, *self.measured(experiment)]),
            }
        return Request(f"{experiment}_tables", f"{MADE}/{experiment}", content)

    def table(self, name: str) -> Request:
        """The job that makes a table."""
        for experiment in self.joins():
            if name in OF_EXPERIMENT[experiment]:
                return self.join(experiment)
        if name in TABLES:
            return self.tables()
        raise SinkscopeError(f"this run has no table '{name}'; experiments may be switched off.")

    def records(self) -> dict[str, list[Path]]:
        """Model to its records, of the zoo's models whose training was recorded."""
        names = RECORDS.values()
        return {
            model: [folder / name for name in names] for model, folder in self.trained().items()
        }

    def threshold(self, experiment: str) -> float | None:
        key = THRESHOLDS[experiment]
        return None if key is None else self.raw[key]

    def tables_of_claims(self) -> list[str]:
        """Names of the tables that claims are held against: all of the run."""
        found = [name for join in self.joins()[:-1] for name in OF_EXPERIMENT[join]]
        return [*TABLES, *found]

    def claims_file(self) -> Path:
        """That of the folder of the run, else the one that is shipped."""
        own = Path("config/claims.yaml")
        return own if (self.directory / own).is_file() else SHIPPED / own

    # Figures and the report.

    def figures(self, model: str) -> Request:
        return self._drawn(
            f"figures/{model}",
            "sinkscope.charts.of_model",
            [self.tables()],
            documents=self.grid.shown_documents(),
        )

    def compare(self) -> Request:
        return self._drawn("figures/all", "sinkscope.charts.of_all", [self.tables()])

    def maps(self, model: str) -> Request:
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

    def report(self) -> Request:
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


def joined_by(experiment: str) -> str:
    return experiment if experiment in ("induction", "second_sink") else "parts"


def digests(requests: Sequence[Request]) -> list[str]:
    return [request.digest for request in requests]


def sha256(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None  # its job says so
