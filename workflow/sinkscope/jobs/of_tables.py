"""The requests of the jobs that reduce and join: tables of the atlas and of each experiment."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from sinkscope.atlas.tables import TABLES, tables_of_atlas
from sinkscope.catalogue import tables_of
from sinkscope.declarations.found import STATISTICS, experiment, experiments
from sinkscope.derive.records import recorded
from sinkscope.discovery import modules_in
from sinkscope.errors import SinkscopeError
from sinkscope.grid import Grid
from sinkscope.jobs.code import code_hash
from sinkscope.jobs.of_models import OfModels
from sinkscope.jobs.request import Request, digest_of
from sinkscope.shipped import SHIPPED
from sinkscope.tables.contract import declared_as

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

    def _measured(self, name: str) -> list[Request]:
        """The parts of an experiment, none where it is switched off or runs no models."""
        if not self.grid.runs(name) or experiment(name).records:
            return []
        parts = [
            self.measure(name, model, shard)
            for model, shards in self.cells().items()
            for shard in self.grid.shards_of(name)
            if shard not in self.grid.shards or shard in shards
        ]
        return [part for part in parts if not self._finished_only or self.is_made(part)]

    def manifests(self, model: str) -> list[Request]:
        return [self.extract(model, shard) for shard in self.cells()[model]]

    def _joins(self) -> list[str]:
        """Experiments of which there are tables, in the order of the configuration; claims, which
        are held against all others, last."""
        wanted = self.raw["experiments"]
        found = [
            name
            for name in wanted
            if name in experiments() and (self.measured(name) or self.recorded(name))
        ]
        return found + (["claims"] if "claims" in wanted else [])

    def derived(self) -> list[str]:
        """Of these, the experiments."""
        return [name for name in self.joins() if name != "claims"]

    def recorded(self, name: str) -> dict[str, Path]:
        """Of an experiment on training: model to folder, of the models whose training was
        recorded."""
        declared = experiment(name)
        return recorded(self.grid.config.models, declared) if declared.records else {}

    # Tables.

    def _reduce(self, model: str) -> Request:
        content = {
            "code": code_hash("sinkscope.atlas.job", *modules_in(STATISTICS)),
            "schema": digest_of(declared_as(TABLES)),
            "epsilon": self.raw["epsilon"],
            "parts": digests(self.manifests(model)),
        }
        return Request(f"reduce/{model}", f"results/reduced/{model}/made", content)

    def parts_of_tables(self) -> list[Request]:
        feeding = [name for name, one in experiments().items() if one.feeds_atlas]
        return [*map(self.reduce, self.cells()), *(p for n in feeding for p in self.measured(n))]

    def _tables(self) -> Request:
        content = {
            "code": code_hash("sinkscope.atlas.job"),
            "schema": digest_of(declared_as(tables_of_atlas())),
            "parts": digests(self.parts_of_tables()),
        }
        return Request("tables", f"{MADE}/tables", content)

    def _join(self, name: str) -> Request:
        """The job that makes the tables of an experiment, or of the claims."""
        content: dict[str, Any] = {"schema": digest_of(declared_as(tables_of(name)))}
        if name == "claims":
            measures = modules_in("sinkscope.claims.measures")
            content["code"] = code_hash("sinkscope.claims.verdicts", *measures)
            content["claims"] = sha256(self.claims_file())
            content["parts"] = digests([self.tables(), *map(self.join, self.joins()[:-1])])
        else:
            content["code"] = code_hash("sinkscope.derive.job", *derived_by(name))
            if experiment(name).records:
                records = [path for paths in self.records(name).values() for path in paths]
                content["models"] = list(self.recorded(name))
                content["sha256"] = [sha256(path) for path in records]
            else:
                content["threshold"] = self.threshold(name)
                content["parts"] = digests([*self.beside(name), *self.measured(name)])
        return Request(f"{name}_tables", f"{MADE}/{name}", content)

    def beside(self, name: str) -> list[Request]:
        """The job whose tables the derivation of an experiment reads too."""
        return [self.tables()] if experiment(name).beside else []

    def table(self, name: str) -> Request:
        """The job that makes a table."""
        for join in self.joins():
            if name in tables_of(join):
                return self.join(join)
        if name in tables_of_atlas():
            return self.tables()
        raise SinkscopeError(f"this run has no table '{name}'; experiments may be switched off.")

    def records(self, name: str) -> dict[str, list[Path]]:
        """Model to its records, of the models whose training was recorded."""
        files = experiment(name).records.values()
        return {
            model: [folder / file for file in files]
            for model, folder in self.recorded(name).items()
        }

    def threshold(self, name: str) -> float | None:
        threshold = experiment(name).threshold
        return None if threshold is None else self.raw[threshold.key]

    def tables_of_claims(self) -> list[str]:
        """Names of the tables that claims are held against: all of the run."""
        found = [name for join in self.joins()[:-1] for name in tables_of(join)]
        return [*tables_of_atlas(), *found]

    def claims_file(self) -> Path:
        """That of the folder of the run, else the one that is shipped."""
        own = Path("config/claims.yaml")
        return own if (self.directory / own).is_file() else SHIPPED / own


def derived_by(name: str) -> list[str]:
    """The module of an experiment's own derivation, if it has one."""
    package = f"sinkscope.experiments.{name}"
    own = f"{package}.derive"
    return [own] if own in modules_in(package) else []


def digests(requests: Sequence[Request]) -> list[str]:
    return [request.digest for request in requests]


def sha256(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None  # its job says so
