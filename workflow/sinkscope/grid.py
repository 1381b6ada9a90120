"""The grid of models and documents, and its division into extraction jobs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sinkscope.config import Config
from sinkscope.documents import Document
from sinkscope.errors import SinkscopeError


class Grid:
    """Models x shards of documents. A shard is named by its number: 0000, 0001, ..."""

    def __init__(self, config: Config) -> None:
        self.config = config
        size = config.raw["documents_per_job"]
        documents = config.documents
        parts = [documents[i : i + size] for i in range(0, len(documents), size)]
        self.shards = {f"{number:04d}": part for number, part in enumerate(parts)}

    @property
    def models(self) -> list[str]:
        return [row.model for row in self.config.models]

    def documents(self, shard: str) -> tuple[Document, ...]:
        if shard not in self.shards:
            raise SinkscopeError(f"there is no shard '{shard}'; shards are {list(self.shards)}.")
        return self.shards[shard]

    def paths(self, shard: str) -> list[str]:
        """Files that hold the shard's documents, each once."""
        return list(dict.fromkeys(document.path for document in self.documents(shard)))

    def job(self, model: str, shard: str) -> dict[str, Any]:
        """All that the results of one extraction job depend on, beside the code.

        A new document in a table of many leaves the jobs of the others as they are: it is
        each document's text that counts, not the file it stands in.
        """
        return {
            "model": asdict(self.config.model(model)),
            "settings": asdict(self.config.settings),
            "documents": {document.name: document.sha256 for document in self.documents(shard)},
        }

    def is_gpu(self, model: str) -> bool:
        return self.config.model(model).device.startswith("cuda")
