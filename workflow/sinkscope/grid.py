"""The grid of models and documents, and its division into extraction jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import accumulate
from typing import Any

import yaml

from sinkscope.config import Config
from sinkscope.declarations.experiment import ALL
from sinkscope.declarations.registry import experiment as declared
from sinkscope.documents import Document, Refused
from sinkscope.errors import SinkscopeError
from sinkscope.hub.lock import repository_of


class Grid:
    """Models x shards of documents. A shard is named by its number: 0000, 0001, ...

    cells: shards by model name.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        size = config.raw["documents_per_job"]
        entries = config.entries or config.documents
        self.refused = tuple(entry for entry in entries if isinstance(entry, Refused))
        self.shards = shards_of(entries, size)
        self.cells = {row.model: list(self.shards) for row in config.models}
        ends = accumulate(len(part) for part in self.shards.values())
        self._first = dict(zip(self.shards, [0, *ends], strict=False))  # index of a shard's first

    def documents(self, shard: str) -> tuple[Document, ...]:
        if shard not in self.shards:
            raise SinkscopeError(f"there is no shard '{shard}'; shards are {list(self.shards)}.")
        return self.shards[shard]

    # What jobs depend on besides code and weights.

    def model(self, name: str) -> dict[str, Any]:
        return self.config.model(name).identity()

    def settings(self, name: str) -> dict[str, Any]:
        settings = asdict(self.config.settings_of(name))
        return settings | {"head_maps": list(settings["head_maps"])}

    def settings_of_part(self, keys: Sequence[str], shard: str) -> dict[str, Any]:
        """These keys of the configuration. documents_in_report is the number within the shard."""
        settings = {key: self.config.raw[key] for key in keys}
        if "documents_in_report" in settings:
            n_shown = settings["documents_in_report"] - self._first[shard]
            settings["documents_in_report"] = min(max(0, n_shown), len(self.documents(shard)))
        return settings

    def shards_of(self, experiment: str) -> list[str]:
        """Parts of a measurement: one per shard, or ALL if it chooses among all documents."""
        return [ALL] if declared(experiment).chooses else list(self.shards)

    def shown_documents(self) -> list[str]:
        """Names of the documents that the report shows individually."""
        names = [document.name for document in self.config.documents]
        return names[: self.config.raw["documents_in_report"]]

    def runs(self, experiment: str) -> bool:
        """Whether the configuration asks for an experiment."""
        if experiment == "padded":  # a setting of the atlas
            return bool(self.config.raw["padded_counting"])
        return experiment in self.config.raw["experiments"]

    def n_gpus(self, model: str) -> int:
        """Number of GPUs that a job of this model requests."""
        row = self.config.model(model)
        return row.n_gpus if row.device.startswith("cuda") else 0

    def repository(self, model: str) -> str | None:
        """Name of the lock file of a row's Hub model; None for other sources."""
        row = self.config.model(model)
        repository = repository_of(row.model, row.source)
        return repository.name if repository else None

    def repositories(self) -> list[str]:
        """The distinct Hub models of the grid."""
        names = [self.repository(row.model) for row in self.config.models]
        return list(dict.fromkeys(name for name in names if name))

    def source(self, repository: str) -> str:
        """The source of the rows that use this Hub model."""
        rows = self.config.models
        return next(row.source for row in rows if self.repository(row.model) == repository)

    def snapshot(self) -> str:
        """The merged configuration as YAML."""
        return yaml.safe_dump(self.config.raw, sort_keys=True, allow_unicode=True)


def shards_of(entries: Sequence[Document | Refused], size: int) -> dict[str, tuple[Document, ...]]:
    """Documents by shard, `size` rows of the table per shard.

    Documents that cannot be read are counted too. A repaired or broken document therefore does not
    move the others to other shards."""
    parts = [
        tuple(entry for entry in entries[i : i + size] if isinstance(entry, Document))
        for i in range(0, len(entries), size)
    ]
    return {f"{number:04d}": part for number, part in enumerate(parts) if part}
