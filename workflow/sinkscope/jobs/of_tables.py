"""The requests of the jobs that reduce and join: tables of the atlas and of each experiment."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from sinkscope.errors import SinkscopeError
from sinkscope.experiments.declared import ALL, OF_DOCUMENTS, THRESHOLDS
from sinkscope.grid import Grid
from sinkscope.jobs.code import code_hash
from sinkscope.jobs.of_models import OfModels
from sinkscope.jobs.request import Request
from sinkscope.reduce.emergence import RECORDS, recorded
from sinkscope.reduce.experiments import OF_EXPERIMENT
from sinkscope.reduce.schemas import TABLES
from sinkscope.shipped import SHIPPED

MADE = "results/made"  # stamps of jobs whose results are single files of a shared folder


class OfTables(OfModels):
    """Requests of the jobs that make tables.

    finished_only: of what is there already; tables are then of finished jobs alone.
    """

    def __init__(self, grid: Grid, directory: Path, *, finished_only: bool = False) -> None:
        super().__init__(grid, directory)
        self._finished_only = finished_only
        self.reduce = cache(self._reduce)
        self.tables = cache(self._tables)
        self.join = cache(self._join)
        self.joins = cache(self._joins)
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

    def _joins(self) -> list[str]:
        """Experiments of which there are tables, those of the zoo's training among them."""
        found = [name for name in OF_EXPERIMENT if name in THRESHOLDS and self.measured(name)]
        if "emergence" in self.raw["experiments"] and self.trained():
            found.append("emergence")
        return found + (["claims"] if "claims" in self.raw["experiments"] else [])

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


def joined_by(experiment: str) -> str:
    return experiment if experiment in ("induction", "second_sink") else "parts"


def digests(requests: Sequence[Request]) -> list[str]:
    return [request.digest for request in requests]


def sha256(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None  # its job says so
