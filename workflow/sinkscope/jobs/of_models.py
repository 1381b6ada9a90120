"""The requests of the jobs that run a model: extraction, and the measurements of experiments."""

from functools import cache
from pathlib import Path
from typing import Any

from sinkscope.declarations.experiment import ALL
from sinkscope.declarations.registry import STATISTICS, experiment
from sinkscope.discovery import modules_in
from sinkscope.errors import SinkscopeError
from sinkscope.extract.sources import known_revision
from sinkscope.files import read_object
from sinkscope.grid import Grid
from sinkscope.jobs.code import code_hash
from sinkscope.jobs.documents import chosen_of, digest_of_documents
from sinkscope.jobs.request import ONE_LINE, Request, stamps_in


class OfModels:
    """Requests of a grid's jobs that run a model. Paths are relative to the run's `directory`."""

    def __init__(self, grid: Grid, directory: Path) -> None:
        self.grid, self.directory, self.raw = grid, directory, grid.config.raw
        self.row = cache(grid.model)
        self.settings = cache(grid.settings)
        self.revision = cache(self._revision)
        self.repository = cache(grid.repository)
        self.stamps_in = cache(stamps_in)
        self.documents = cache(self._documents)
        self.extract = cache(self._extract)
        self.measure = cache(self._measure)

    def is_made(self, request: Request) -> bool:
        return (self.directory / request.stamp).is_file()

    def _revision(self, model: str) -> str | None:
        """Revision of a model's weights; None if the weights are not here (yet)."""
        try:
            row = self.grid.config.model(model)
            return known_revision(row.model, row.source, self.directory)
        except SinkscopeError:
            return None

    def _extract(self, model: str, shard: str) -> Request:
        return self._of_model(
            f"extract/{model}/{shard}",
            f"results/shards/{model}/{shard}",
            ("extract", *self._documents_option(shard)),
            {
                "code": code_hash("sinkscope.extract.job", *modules_in(STATISTICS)),
                "model": self.row(model),
                "settings": self.settings(model),
                **self.grid.settings_of_part(["documents_in_report"], shard),
                "tie_tolerance": self.grid.tie_tolerance_of(shard),
                "documents": self.documents("extract", shard),
            },
        )

    def _measure(self, name: str, model: str, shard: str) -> Request:
        """Request of one experiment. shard: ALL if the experiment is not about single documents."""
        modules = ["sinkscope.measure.job", f"sinkscope.experiments.{name}.measure"]
        return self._of_model(
            f"{name}/{model}/{shard}",
            f"results/experiments/{name}/{model}/{shard}/made",
            ("--job", f"{name}/{model}/{shard}", *self._documents_option(shard)),
            {
                "code": code_hash(*modules),
                "experiment": name,
                "model": self.row(model),
                "settings": self.grid.settings_of_part(experiment(name).keys, shard),
                "documents": self.documents(name, shard),
            },
        )

    def _documents(self, experiment: str, shard: str) -> str:
        if shard == ALL:
            chosen = chosen_of(self.grid.config.documents, experiment, self.raw)
            return digest_of_documents(chosen)
        if experiment != "extract":
            return self.documents("extract", shard)  # the same documents
        return digest_of_documents(self.grid.documents(shard))

    def documents_read(self, shard: str) -> dict[str, Any]:
        """The settings that say which documents a job reads."""
        keys = ("documents", "documents_per_job", "sample", "sample_seed")
        return {key: self.raw[key] for key in keys} | {"shard": shard}

    def _documents_option(self, shard: str) -> tuple[str, str]:
        return "--documents", ONE_LINE.encode(self.documents_read(shard))

    def _of_model(
        self, job: str, prefix: str, command: tuple[str, ...], content: dict[str, Any]
    ) -> Request:
        """The request with the revision of its model's weights. A new Hub model has none before it
        is locked, in the same run: a result from before counts if its stamp states the revision
        locked now. Without weights here (any more), a result from any revision counts."""
        model = content["model"]["model"]
        revision = self.revision(model)
        request = Request(job, prefix, content | {"weights": revision}, command)
        is_local = revision is not None and self.repository(model) is None
        if is_local or self.is_made(request):
            return request
        place = self.directory / prefix
        for path in self.stamps_in(place.parent).get(place.name, ()):
            stated = read_object(path)
            before = stated.get("request", {})
            before_lock = before.get("weights") is None and stated.get("revision") == revision
            same = before | {"weights": None} == content | {"weights": None}
            if same and (revision is None or before_lock):
                return Request(job, prefix, before, command)
        return request
