"""The grid of models and documents, and its division into extraction jobs."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import yaml

from sinkscope.cluster.parameters import state_of
from sinkscope.config import Config
from sinkscope.documents import Document, Refused
from sinkscope.errors import SinkscopeError
from sinkscope.hub.lock import repository_of

# Of a token and the space before it: more than tokenizers of large vocabularies take.
CHARACTERS = 8


class Grid:
    """Models x shards of documents. A shard is named by its number: 0000, 0001, ...

    cells: the shards of every model, by its name.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        size = config.raw["documents_per_job"]
        # A document that is mended, or spoilt, leaves the others in their shards.
        entries = config.entries or config.documents
        self.refused = tuple(entry for entry in entries if isinstance(entry, Refused))
        parts = [
            tuple(entry for entry in entries[i : i + size] if isinstance(entry, Document))
            for i in range(0, len(entries), size)
        ]
        self.shards = {f"{number:04d}": part for number, part in enumerate(parts) if part}
        self.cells = {row.model: list(self.shards) for row in config.models}

    def documents(self, shard: str) -> tuple[Document, ...]:
        if shard not in self.shards:
            raise SinkscopeError(f"there is no shard '{shard}'; shards are {list(self.shards)}.")
        return self.shards[shard]

    def config_of(self, shard: str) -> Config:
        """The configuration with the shard's documents alone; of these, those that the report
        shows are first."""
        before = sum(len(part) for name, part in self.shards.items() if name < shard)
        shown = max(0, self.config.raw["documents_in_report"] - before)
        raw = self.config.raw | {"documents_in_report": shown}
        return replace(self.config, documents=self.documents(shard), raw=raw)

    def n_shown(self, shard: str) -> int:
        """How many of the shard's documents the report shows."""
        shown = self.config_of(shard).raw["documents_in_report"]
        return min(len(self.documents(shard)), shown)

    def paths(self, shard: str) -> list[str]:
        """Files that hold the shard's documents, each once."""
        return list(dict.fromkeys(document.path for document in self.documents(shard)))

    # An extraction job depends on these four beside the code: when one of them changes, it
    # is run again, and makes only the cells that changed.

    def model(self, name: str) -> dict[str, Any]:
        return self.config.model(name).identity()

    def settings(self, name: str) -> dict[str, Any]:
        return asdict(self.config.settings_of(name))

    def weights(self, name: str, directory: Path) -> list[Any]:
        """What the files of a model's source are now."""
        return state_of(self.config.model(name), directory)

    def hashes(self, shard: str) -> dict[str, str]:
        """sha256 of the shard's texts, by document."""
        return {document.name: document.sha256 for document in self.documents(shard)}

    def expected(self) -> dict[str, list[str]]:
        """Models and documents that a complete report shows."""
        return {
            "models": list(self.cells),
            "documents": [document.name for document in self.config.documents],
        }

    def ordinary_text(self) -> Document:
        """What induction heads are shown on: the first document, by name, that has room for their
        patterns, else the longest. Its hash is all of the documents that induction depends on."""
        enough = CHARACTERS * (2 * self.config.raw["induction_tokens"] + 1)
        by_name = sorted(self.config.documents, key=lambda document: document.name)
        return next(
            (document for document in by_name if len(document.text) >= enough),
            max(by_name, key=lambda document: len(document.text)),
        )

    def shown_documents(self) -> list[str]:
        """Documents that the report shows one by one."""
        return self.expected()["documents"][: self.config.raw["documents_in_report"]]

    def runs(self, experiment: str) -> bool:
        """Whether the configuration asks for an experiment."""
        if experiment == "padded":
            return bool(self.config.raw["padded_counting"])
        return experiment in self.config.raw["experiments"]

    def n_gpus(self, model: str) -> int:
        """GPUs that a job of this model asks for."""
        row = self.config.model(model)
        return row.n_gpus if row.device.startswith("cuda") else 0

    def repository(self, model: str) -> str | None:
        """The hub model of a row, as its lock file is called; None for other sources."""
        row = self.config.model(model)
        repository = repository_of(row.model, row.source)
        return repository.name if repository else None

    def repositories(self) -> list[str]:
        """Every hub model of the grid, once."""
        found = [self.repository(row.model) for row in self.config.models]
        return list(dict.fromkeys(name for name in found if name))

    def snapshot(self) -> str:
        """The merged configuration as YAML, for the report and for running a stage by hand.

        Without `partial`: it says what to report now, not what the results are.
        """
        raw = {key: value for key, value in self.config.raw.items() if key != "partial"}
        return yaml.safe_dump(raw, sort_keys=True, allow_unicode=True)


def manifest_path(directory: Path, model: str, shard: str) -> Path:
    """What an extraction job leaves behind when all of its cells are done."""
    return directory / "results" / "shards" / model / f"{shard}.json"


def finished_only(grid: Grid, directory: Path) -> dict[str, list[str]]:
    """The finished shards of every model that has any."""
    done = {
        model: [shard for shard in shards if manifest_path(directory, model, shard).is_file()]
        for model, shards in grid.cells.items()
    }
    return {model: shards for model, shards in done.items() if shards}


def shards_to_report(grid: Grid, directory: Path) -> dict[str, list[str]]:
    """Shards of every model that tables and report are made of.

    Raises SinkscopeError where only finished ones are wanted and there is none.
    """
    if not grid.config.raw["partial"]:
        return grid.cells
    finished = finished_only(grid, directory)
    if not finished:
        raise SinkscopeError(
            f"partial: no extraction job has finished in {directory}; run without partial first."
        )
    return finished
