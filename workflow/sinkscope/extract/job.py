"""One extraction job: a model over a shard of documents. Finished cells are kept."""

from __future__ import annotations

import hashlib
import json
import platform
import resource
import sys
import time
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from rich.console import Console
from rich.progress import Progress

from sinkscope.config import ModelRow, Settings
from sinkscope.documents import Document
from sinkscope.errors import DocumentsError, ModelError, PassingError, SinkscopeError, about
from sinkscope.extract.analyse import Analyser
from sinkscope.extract.batches import Batch, batches
from sinkscope.extract.cell import Cell, cell_path, fingerprint_of, write_cell
from sinkscope.extract.gpus import own_gpus
from sinkscope.extract.model import Loaded, load_model, threads
from sinkscope.extract.streaming import Workspace
from sinkscope.files import leftovers, remove, sha256_of


def versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def fingerprints(
    loaded: Loaded,
    settings: Settings,
    documents: Sequence[Document],
    code: str,
    mapped: Container[str],
) -> dict[str, str]:
    """By document: the hash of everything that its cell depends on; a finished cell with the same
    fingerprint is kept. mapped: names of the documents whose cells hold maps."""
    shared = [code, versions(), loaded.facts(), loaded.row.identity(), vars(settings)]
    of_job = hashlib.sha256(json.dumps(shared, sort_keys=True).encode())
    hashes = {}
    for document in documents:
        of_cell = of_job.copy()
        parts = [document.name, document.sha256, document.name in mapped]
        of_cell.update(json.dumps(parts).encode())
        hashes[document.name] = of_cell.hexdigest()
    return hashes


def run_job(
    row: ModelRow,
    documents: Sequence[Document],
    settings: Settings,
    code: str,
    directory: Path,
    n_mapped: int,
) -> dict[str, Any]:
    """Make the cells of one model over one shard below results/cells. Returns the job's manifest.
    n_mapped: number of documents, the first ones, whose cells hold maps.

    A cell with the same fingerprint is kept. A document that the model cannot take is listed with
    the reason, and does not stop the job. code: hash of the code that extraction runs. Raises
    SinkscopeError for a fault of the model, and DocumentsError for faults of the machine that
    another attempt may not meet; cells are kept in both cases.
    """
    started = time.monotonic()
    folder = cell_path(directory / "results", row.model, "any").parent
    for leftover in leftovers(folder, [f"{document.name}.safetensors" for document in documents]):
        remove(leftover)
    with threads(settings.threads), own_gpus(row):
        loaded = load_model(row, directory)
        cells = run_loaded(loaded, documents, settings, code, directory, n_mapped)
    return {
        "revision": loaded.revision,
        "model": loaded.facts(),
        **cells,
        "job": {
            "seconds": round(time.monotonic() - started, 2),
            "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            **device_facts(loaded.device),
            "threads": settings.threads,
            "versions": versions(),
        },
    }


def run_loaded(
    loaded: Loaded,
    documents: Sequence[Document],
    settings: Settings,
    code: str,
    directory: Path,
    n_mapped: int,
) -> dict[str, Any]:
    """Make the cells of run_job with a model that is loaded. Returns the manifest's `cells` and
    `missing`. Raises like run_job."""
    analyser = Analyser(loaded, settings, Workspace(loaded.device))
    entries = make_cells(analyser, documents, code, directory, n_mapped)
    refused = {
        name: about(name, error)
        for name, error in entries.items()
        if isinstance(error, SinkscopeError)
    }
    passing = {name: error for name, error in refused.items() if isinstance(error, PassingError)}
    if passing:
        raise DocumentsError(passing)
    names = [document.name for document in documents]
    refused_names = [name for name in names if name in refused]
    missing = [{"document": name, "reason": str(refused[name])} for name in refused_names]
    for entry in missing:
        print(entry["reason"], file=sys.stderr)
    cells = [entries[name] for name in names if name not in refused]
    return {"cells": cells, "missing": missing}


# Entry of a document in the manifest, or the error if it has no cell.
Entry = dict[str, Any] | SinkscopeError


def make_cells(
    analyser: Analyser, documents: Sequence[Document], code: str, directory: Path, n_mapped: int
) -> dict[str, Entry]:
    """The manifest entry of each document; documents that have a cell are not analysed again.

    Raises ModelError if no document can be analysed.
    """
    loaded, entries = analyser.loaded, dict[str, Entry]()
    results = directory / "results"
    mapped = {document.name for document in documents[:n_mapped]}
    hashes = fingerprints(loaded, analyser.settings, documents, code, mapped)
    paths = {
        document.name: cell_path(results, loaded.row.model, document.name) for document in documents
    }
    with progress(loaded.row.model, len(documents)) as advance:

        def finished(document: Document) -> None:
            entries[document.name] = entry(document, paths[document.name], directory)
            advance()

        pending = []
        for document in documents:
            if fingerprint_of(paths[document.name]) == hashes[document.name]:
                finished(document)
            else:
                pending.append(document)
        on_gpu = loaded.device.type == "cuda"
        for batch in batches(
            analyser.encode_all, pending, mapped, loaded.max_length, on_gpu=on_gpu
        ):
            for document, cell in zip(batch.documents, together(analyser, batch), strict=True):
                try:
                    if isinstance(cell, SinkscopeError):
                        raise cell
                    cell.meta["fingerprint"] = hashes[document.name]
                    write_cell(paths[document.name], cell)
                    finished(document)
                except SinkscopeError as error:
                    entries[document.name] = error
                    advance()
    return entries


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
    single = [
        Batch([document], [encoded], batch.with_maps)
        for document, encoded in zip(batch.documents, batch.encoded, strict=True)
    ]
    return [cell for one in single for cell in together(analyser, one)]


def entry(document: Document, path: Path, directory: Path) -> dict[str, Any]:
    """The manifest entry of a finished cell."""
    return {
        "document": document.name,
        "path": document.path,
        "row": document.row,
        "n_characters": len(document.text),
        "n_words": len(document.text.split()),
        "sha256": document.sha256,
        "cell": str(path.relative_to(directory)),
        "cell_sha256": sha256_of(path),
        "cell_bytes": path.stat().st_size,
    }


@contextmanager
def progress(model: str, n_documents: int) -> Iterator[Callable[[], None]]:
    """A bar on a terminal; in a log file, one line per tenth of the documents. The yielded function
    is called once per document."""
    console = Console(stderr=True)
    if console.is_terminal:
        with Progress(console=console) as bar:
            task = bar.add_task(model, total=n_documents)
            yield lambda: bar.advance(task)
        return
    step, number = max(1, n_documents // 10), 0

    def advance() -> None:
        nonlocal number
        number += 1
        if number % step == 0 or number == n_documents:
            print(f"{model}: {number} of {n_documents} documents", file=sys.stderr, flush=True)

    yield advance


def device_facts(device: torch.device) -> dict[str, Any]:
    if device.type == "cuda":
        return {
            "device": torch.cuda.get_device_name(device),
            "peak_gpu_mb": round(torch.cuda.max_memory_allocated(device) / 2**20),
        }
    return {"device": platform.processor() or platform.machine(), "peak_gpu_mb": None}
