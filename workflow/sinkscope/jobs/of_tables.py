"""The requests of the jobs that reduce and join: tables of the atlas and of each experiment."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from sinkscope.atlas.tables import TABLES, tables_of_atlas
from sinkscope.catalogue import tables_of
from sinkscope.declarations.experiment import ALL
from sinkscope.declarations.registry import STATISTICS, experiment, experiments
from sinkscope.derive.job import recorded
from sinkscope.discovery import modules_in
from sinkscope.errors import SinkscopeError
from sinkscope.files import sha256_of
from sinkscope.grid import Grid
from sinkscope.jobs.code import code_hash
from sinkscope.jobs.of_models import OfModels
from sinkscope.jobs.request import Request, digest_of
from sinkscope.shipped import SHIPPED
from sinkscope.tables.contract import declared_as

STAMPS = "results/made"  # stamps of jobs whose results are single files of a shared folder
CLAIMS = Path("config/claims.yaml")


class OfTables(OfModels):
    """Requests of the jobs that make tables. finished_only: of the results of finished jobs
    alone."""

    def __init__(self, grid: Grid, directory: Path, *, finished_only: bool = False) -> None:
        super().__init__(grid, directory)
        self._finished_only = finished_only
        self.reduce = cache(self._reduce)
        self.tables = cache(self._tables)
        self.join = cache(self._join)
        self.joins = cache(self._joins)
        self.cells = cache(self._cells)
        self.measured = cache(self._measured)

    # Inputs of the tables and the report.

    def _cells(self) -> Mapping[str, list[str]]:
        """Shards by model; with finished_only, those whose extraction is finished."""
        if not self._finished_only:
            return self.grid.cells
        finished = {
            model: [s for s in shards if self.is_made(self.extract(model, s))]
            for model, shards in self.grid.cells.items()
        }
        return {model: shards for model, shards in finished.items() if shards}

    def _measured(self, name: str) -> list[Request]:
        """The parts of an experiment; none if it is switched off or runs no models."""
        if not self.grid.runs(name) or experiment(name).records:
            return []
        parts = [
            self.measure(name, model, shard)
            for model, shards in self.cells().items()
            for shard in ([ALL] if experiment(name).chooses else shards)
        ]
        return [part for part in parts if not self._finished_only or self.is_made(part)]

    def manifests(self, model: str) -> list[Request]:
        return [self.extract(model, shard) for shard in self.cells()[model]]

    def _joins(self) -> list[str]:
        """Experiments that have tables, in the configured order; then claims."""
        configured = self.raw["experiments"]
        with_tables = [
            name
            for name in configured
            if name in experiments() and (self.measured(name) or self.recorded(name))
        ]
        return with_tables + (["claims"] if "claims" in configured else [])

    def derived(self) -> list[str]:
        """The experiments among `joins`."""
        return [name for name in self.joins() if name != "claims"]

    def recorded(self, name: str) -> dict[str, Path]:
        """Folder by model, for the models whose training was recorded."""
        declared = experiment(name)
        return recorded(self.grid.config.models, declared) if declared.records else {}

    # Tables.

    def _reduce(self, model: str) -> Request:
        content = {
            "code": code_hash("sinkscope.atlas.job", *modules_in(STATISTICS)),
            "schema": digest_of(declared_as(TABLES)),
            "epsilon": self.raw["epsilon"],
            "tie_tolerance": self.raw["tie_tolerance"],
            "parts": digests(self.manifests(model)),
        }
        command = ("reduce", *stamps(self.manifests(model)))
        return Request(f"reduce/{model}", f"results/reduced/{model}/made", content, command)

    def parts_of_tables(self) -> list[Request]:
        feeding = [name for name, one in experiments().items() if one.feeds_atlas]
        return [*map(self.reduce, self.cells()), *(p for n in feeding for p in self.measured(n))]

    def _tables(self) -> Request:
        content = {
            "code": code_hash("sinkscope.atlas.job"),
            "schema": digest_of(declared_as(tables_of_atlas())),
            "parts": digests(self.parts_of_tables()),
        }
        command = ("tables", *stamps(self.parts_of_tables()))
        return Request("tables", f"{STAMPS}/tables", content, command)

    def _join(self, name: str) -> Request:
        """The request of the tables of an experiment, or of the claims."""
        content: dict[str, Any] = {"schema": digest_of(declared_as(tables_of(name)))}
        if name == "claims":
            measures = modules_in("sinkscope.claims.measures")
            content["code"] = code_hash("sinkscope.claims.verdicts", *measures)
            files = (self.directory / self.claims_file(), SHIPPED / CLAIMS)
            content["claims"] = [sha256(path) for path in files]
            content["parts"] = digests([self.tables(), *map(self.join, self.joins()[:-1])])
            command = ["claims", str(self.claims_file()), *self.tables_of_claims()]
        else:
            command = ["derive", name]
            package = f"sinkscope.experiments.{name}"
            derive = {f"{package}.derive"} & set(modules_in(package))
            content["code"] = code_hash("sinkscope.derive.job", *derive)
            if experiment(name).records:
                records = [path for paths in self.records(name).values() for path in paths]
                content["models"] = list(self.recorded(name))
                content["sha256"] = [sha256(path) for path in records]
                command += [f"{model}={path}" for model, path in self.recorded(name).items()]
            else:
                content["threshold"] = self.threshold(name)
                content["parts"] = digests([*self.beside(name), *self.measured(name)])
                command += stamps(self.measured(name))
        return Request(f"{name}_tables", f"{STAMPS}/{name}", content, tuple(command))

    def beside(self, name: str) -> list[Request]:
        """The request of the tables of the atlas, if the experiment's derivation reads them."""
        return [self.tables()] if experiment(name).beside else []

    def table(self, name: str) -> Request:
        """The request of the job that writes a table."""
        for join in self.joins():
            if name in tables_of(join):
                return self.join(join)
        if name in tables_of_atlas():
            return self.tables()
        raise SinkscopeError(f"this run has no table '{name}'; experiments may be switched off.")

    def records(self, name: str) -> dict[str, list[Path]]:
        """Record files by model, for the models whose training was recorded."""
        files = experiment(name).records.values()
        return {
            model: [folder / file for file in files]
            for model, folder in self.recorded(name).items()
        }

    def threshold(self, name: str) -> float | None:
        threshold = experiment(name).threshold
        return None if threshold is None else self.raw[threshold.key]

    def tables_of_claims(self) -> list[str]:
        """Names of the tables that the claims read: all tables of the run."""
        names = [name for join in self.joins()[:-1] for name in tables_of(join)]
        return [*tables_of_atlas(), *names]

    def claims_file(self) -> Path:
        """The run's own file of claims, which may add to the shipped one, else the shipped one."""
        return CLAIMS if (self.directory / CLAIMS).is_file() else SHIPPED / CLAIMS


def digests(requests: Sequence[Request]) -> list[str]:
    return [request.digest for request in requests]


def stamps(requests: Sequence[Request]) -> list[str]:
    return [request.stamp for request in requests]


def sha256(path: Path) -> str | None:
    try:
        return sha256_of(path)
    except OSError:
        return None  # the job reports it
