"""The documents of a job, and their hash for its request."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sinkscope.config import read_document_table
from sinkscope.corpus import Sampling, Store
from sinkscope.declarations.experiment import ALL
from sinkscope.declarations.registry import experiment as declared
from sinkscope.documents import AnyDocument, Document, Refused, with_texts
from sinkscope.errors import SinkscopeError
from sinkscope.jobs.request import digest_of
from sinkscope.shards import shards_of


def digest_of_documents(documents: Sequence[AnyDocument]) -> str:
    """Hash of their names, paths, rows and texts."""
    return digest_of([[one.name, one.path, one.row, one.sha256] for one in documents])


def chosen_of(
    documents: Sequence[AnyDocument], experiment: str, settings: dict[str, Any]
) -> tuple[AnyDocument, ...]:
    """The documents that an experiment reads that is not about single documents."""
    chooses = declared(experiment).chooses
    return tuple(chooses(documents, settings) if chooses else documents)


def read_part(
    directory: Path,
    request: dict[str, Any],
    *,
    documents: str,
    documents_per_job: int,
    sample: int,
    sample_seed: int,
    shard: str,
) -> tuple[Document, ...]:
    """The documents of a job, of a shard or (ALL) of an experiment that chooses from all. Raises
    SinkscopeError if they differ from those of the request: they were changed after the run was
    planned."""
    sampling, store = Sampling(sample, sample_seed), Store(directory, remember=True)
    entries = read_document_table(documents, directory, sampling, store)
    chosen: tuple[AnyDocument, ...]
    if shard == ALL:
        everything = [one for one in entries if not isinstance(one, Refused)]
        chosen = chosen_of(everything, request["experiment"], request["settings"])
    else:
        shards = shards_of(entries, documents_per_job)
        if shard not in shards:
            raise SinkscopeError(f"shard '{shard}' does not exist; shards are {', '.join(shards)}.")
        chosen = shards[shard]
    if digest_of_documents(chosen) != request["documents"]:
        raise SinkscopeError(
            f"{documents}: the documents of shard {shard} were changed after this run was started; "
            "run again."
        )
    return with_texts(chosen)
