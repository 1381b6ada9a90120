"""The grid of models and documents, and its division into extraction jobs."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import yaml

from sinkscope.config import Config
from sinkscope.declarations.experiment import ALL
from sinkscope.declarations.registry import experiment as declared
from sinkscope.documents import AnyDocument, Refused
from sinkscope.errors import SinkscopeError
from sinkscope.hub.lock import repository_of
from sinkscope.shards import shards_of

# Documents of a run that are kept in full unless the configuration asks for something else.
MOST_IN_FULL = 200
# Documents of a run up to which padded counting is made unless the configuration says otherwise:
# its passes are over as many tokens as the longest document has, for every document.
MOST_PADDED = 200


class Grid:
    """Models x shards. shards: documents by shard, as of shards_of. cells: shards by model name."""

    def __init__(self, config: Config) -> None:
        self.config = config
        entries = config.entries or config.documents
        self.refused = tuple(entry for entry in entries if isinstance(entry, Refused))
        self.shards = shards_of(entries, config.raw["documents_per_job"])
        self.cells = {row.model: list(self.shards) for row in config.models}
        shown = set(self.shown_documents())
        self._n_shown = {
            shard: sum(document.name in shown for document in part)
            for shard, part in self.shards.items()
        }

    def documents(self, shard: str) -> tuple[AnyDocument, ...]:
        if shard not in self.shards:
            raise SinkscopeError(f"shard '{shard}' does not exist; shards are {list(self.shards)}.")
        return self.shards[shard]

    # What jobs depend on besides code and weights.

    def model(self, name: str) -> dict[str, Any]:
        return self.config.model(name).identity()

    def settings(self, name: str) -> dict[str, Any]:
        settings = asdict(self.config.settings_of(name))
        return settings | {"head_maps": list(settings["head_maps"])}

    def settings_of_part(self, keys: Sequence[str], shard: str) -> dict[str, Any]:
        """These keys of the configuration; documents_in_report: of the shard alone."""
        settings = {key: self.config.raw[key] for key in keys}
        if "documents_in_report" in settings:
            settings["documents_in_report"] = self._n_shown[shard]
        return settings

    def tie_tolerance_of(self, shard: str) -> float | None:
        """The setting, if documents of the shard are kept as summaries; else None."""
        n_shown = self.settings_of_part(["documents_in_report"], shard)["documents_in_report"]
        if self.detail == "full" or n_shown == len(self.documents(shard)):
            return None
        return float(self.config.raw["tie_tolerance"])

    @property
    def detail(self) -> str:
        """full or summary: how documents that the report does not show individually are kept."""
        wanted = self.config.raw["detail"]
        if wanted != "auto":
            return str(wanted)
        return "summary" if len(self.config.documents) > MOST_IN_FULL else "full"

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
            wanted = self.config.raw["padded_counting"]
            return len(self.config.documents) <= MOST_PADDED if wanted == "auto" else bool(wanted)
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
