"""The full cells of a job's documents, one file each."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers

from sinkscope.config import Settings
from sinkscope.documents import Document
from sinkscope.errors import ModelError, SinkscopeError
from sinkscope.extract.analyse import Analyser
from sinkscope.extract.batches import ON_GPU, ON_PROCESSOR, Batch, batches
from sinkscope.extract.cell import Cell, cell_path, fingerprint_of, write_cell
from sinkscope.extract.model import Loaded
from sinkscope.files import sha256_of

SMALL = 50_000_000  # parameters of a model whose documents share passes on a processor


@dataclass(frozen=True)
class Kept:
    """Where a document's results are. n_bytes: bytes of the file per document."""

    path: Path
    sha256: str
    n_bytes: int


Outcomes = dict[str, Kept | SinkscopeError]  # by document


def versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def hash_of_job(loaded: Loaded, settings: Settings, code: str) -> Any:
    """The hash, which more can be added to, of what all cells of a job depend on."""
    shared = [code, versions(), loaded.facts(), loaded.row.identity(), vars(settings)]
    return hashlib.sha256(json.dumps(shared, sort_keys=True).encode())


def fingerprints(
    loaded: Loaded,
    settings: Settings,
    documents: Sequence[Document],
    code: str,
    mapped: Container[str],
) -> dict[str, str]:
    """By document: the hash of everything that its cell depends on; a finished cell with the same
    fingerprint is kept. mapped: names of the documents whose cells hold maps."""
    of_job, hashes = hash_of_job(loaded, settings, code), {}
    for document in documents:
        of_cell = of_job.copy()
        parts = [document.name, document.sha256, document.name in mapped]
        of_cell.update(json.dumps(parts).encode())
        hashes[document.name] = of_cell.hexdigest()
    return hashes


def make_cells(
    analyser: Analyser,
    documents: Sequence[Document],
    code: str,
    results: Path,
    n_mapped: int,
    advance: Callable[[], None],
) -> Outcomes:
    """Write the cell of each document below `results`; those that are finished are kept. n_mapped:
    how many, the first, hold maps. advance: called per document. Raises ModelError like the
    analyser."""
    loaded, outcomes = analyser.loaded, Outcomes()
    mapped = {document.name for document in documents[:n_mapped]}
    hashes = fingerprints(loaded, analyser.settings, documents, code, mapped)
    paths = {
        document.name: cell_path(results, loaded.row.model, document.name) for document in documents
    }

    def finished(document: Document, sha256: str) -> None:
        path = paths[document.name]
        outcomes[document.name] = Kept(path, sha256, path.stat().st_size)
        advance()

    pending = []
    for document in documents:
        if fingerprint_of(paths[document.name]) == hashes[document.name]:
            finished(document, sha256_of(paths[document.name]))
        else:
            pending.append(document)
    for batch in batches_of(analyser, pending, mapped, summaries=False):
        for document, cell in zip(batch.documents, together(analyser, batch), strict=True):
            try:
                if isinstance(cell, SinkscopeError):
                    raise cell
                cell.meta["fingerprint"] = hashes[document.name]
                finished(document, write_cell(paths[document.name], cell))
            except SinkscopeError as error:
                outcomes[document.name] = error
                advance()
    return outcomes


def batches_of(
    analyser: Analyser, documents: Sequence[Document], mapped: Container[str], *, summaries: bool
) -> Iterator[Batch]:
    """On a processor, a full cell must not depend on holding maps: each document goes alone."""
    loaded, shapes = analyser.loaded, None
    on_gpu = loaded.device.type == "cuda"
    if on_gpu:
        shapes = ON_GPU
    elif summaries and loaded.facts()["n_parameters"] < SMALL:
        shapes = ON_PROCESSOR
    encode_all, longest = analyser.encode_all, loaded.max_length
    return batches(encode_all, documents, mapped, longest, on_gpu=on_gpu, shapes=shapes)


def together(analyser: Analyser, batch: Batch) -> list[Cell | SinkscopeError]:
    """The cell of each document, or the error if it has none."""
    if batch.problem is not None:
        return [batch.problem]
    try:
        return analyser.analyse_together(batch)
    except ModelError:
        raise
    except SinkscopeError as error:
        if len(batch.documents) == 1:
            return [error]
    # One of them, or all together, were too much: each document gets its own pass.
    return [cell for one in batch.alone() for cell in together(analyser, one)]
