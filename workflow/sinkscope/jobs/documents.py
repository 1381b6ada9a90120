"""The documents of a job, and their hash for its request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sinkscope.config import read_document_table
from sinkscope.declarations.experiment import ALL
from sinkscope.declarations.registry import experiment as declared
from sinkscope.documents import Document
from sinkscope.errors import SinkscopeError
from sinkscope.grid import shards_of
from sinkscope.jobs.request import digest_of


def digest_of_documents(documents: Sequence[Document]) -> str:
    """Hash of their names, paths, rows and texts."""
    return digest_of([[one.name, one.path, one.row, one.sha256] for one in documents])


def part_of(
    shards: Mapping[str, Sequence[Document]], shard: str, experiment: str, settings: dict[str, Any]
) -> tuple[Document, ...]:
    """The documents of one shard. shard: ALL for an experiment that is not about single documents;
    it chooses from the documents of all shards."""
    if shard != ALL:
        if shard not in shards:
            raise SinkscopeError(f"there is no shard '{shard}'; shards are {', '.join(shards)}.")
        return tuple(shards[shard])
    everything = [document for part in shards.values() for document in part]
    chooses = declared(experiment).chooses
    return tuple(chooses(everything, settings) if chooses else everything)


def read_part(
    table: str, directory: Path, per_job: int, shard: str, request: dict[str, Any]
) -> tuple[Document, ...]:
    """The documents of a job, read from the table of documents.

    Raises SinkscopeError if they differ from those of the request: the table or a file was changed
    after the run had planned the job.
    """
    shards = shards_of(read_document_table(table, directory), per_job)
    documents = part_of(shards, shard, request.get("experiment", "extract"), request["settings"])
    if digest_of_documents(documents) != request["documents"]:
        raise SinkscopeError(
            f"{table}: the documents of shard {shard} were changed after this run was started; "
            "run again."
        )
    return documents
