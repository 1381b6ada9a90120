"""One extraction job: a model over a shard of documents. Finished cells are kept."""

from __future__ import annotations

import ctypes
import platform
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from sinkscope.config import ModelRow, Settings
from sinkscope.documents import Document
from sinkscope.errors import DocumentsError, PassingError, SinkscopeError, about
from sinkscope.extract.analyse import Analyser
from sinkscope.extract.cell import cell_path
from sinkscope.extract.full import Kept, make_cells, versions
from sinkscope.extract.gpus import exclusive_gpus
from sinkscope.extract.model import Loaded, load_model, threads
from sinkscope.extract.parts import Summaries, make_parts
from sinkscope.extract.progress import progress
from sinkscope.extract.streaming import Workspace
from sinkscope.files import leftovers, remove

PROMPT = 5e-4  # seconds
# Of glibc's mallopt. Freed memory goes back to the system only above KEPT_BYTES, and buffers of up
# to MAPPED_BYTES are not mapped one by one: each page of fresh memory costs a fault.
M_TRIM_THRESHOLD, KEPT_BYTES = -1, 256 << 20
M_MMAP_THRESHOLD, MAPPED_BYTES = -3, 32 << 20


def run_job(
    row: ModelRow,
    documents: Sequence[Document],
    settings: Settings,
    code: str,
    directory: Path,
    n_mapped: int,
    summaries: Summaries | None = None,
) -> dict[str, Any]:
    """Make the cells of one model over one shard below results/cells. Returns the job's manifest.
    n_mapped: number of documents, the first ones, whose cells hold maps. summaries: how the others
    are kept; None: as cells without maps.

    A cell with the same fingerprint is kept. A document that the model cannot read is listed with
    the reason, and does not stop the job. code: hash of the code that extraction runs. Raises
    SinkscopeError for a fault of the model, and DocumentsError for faults of the machine, for which
    another attempt may succeed; cells are kept in both cases.
    """
    started = time.monotonic()
    folder = cell_path(directory / "results", row.model, "any").parent
    for leftover in leftovers(folder, [f"{document.name}.safetensors" for document in documents]):
        remove(leftover)
    keep_freed_memory()
    with threads(settings.threads), exclusive_gpus(row):
        loaded = load_model(row, directory)
        if loaded.network.config.is_encoder_decoder:
            print(f"{row.model}: {loaded.architecture}", file=sys.stderr)
        cells = run_loaded(loaded, documents, settings, code, directory, n_mapped, summaries)
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


def keep_freed_memory() -> None:
    """Let this process use its freed memory again, where its C library can be told to."""
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        library.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
        library.mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES)


def run_loaded(
    loaded: Loaded,
    documents: Sequence[Document],
    settings: Settings,
    code: str,
    directory: Path,
    n_mapped: int,
    summaries: Summaries | None = None,
) -> dict[str, Any]:
    """run_job with a model that is loaded. Returns the manifest's `cells` and `missing`."""
    analyser = Analyser(loaded, settings, Workspace(loaded.device))
    results, n_cells = directory / "results", len(documents) if summaries is None else n_mapped
    with (
        progress(loaded.row.model, len(documents), loaded.device) as advance,
        prompt(loaded.device),
    ):
        outcomes = make_cells(analyser, documents[:n_cells], code, results, n_mapped, advance)
        if summaries is not None:
            outcomes |= make_parts(analyser, documents[n_cells:], code, results, summaries, advance)
    refused = {
        name: about(name, error)
        for name, error in outcomes.items()
        if isinstance(error, SinkscopeError)
    }
    passing = {name: error for name, error in refused.items() if isinstance(error, PassingError)}
    if passing:
        raise DocumentsError(passing)
    names = [document.name for document in documents if document.name in refused]
    missing = [{"document": name, "reason": str(refused[name])} for name in names]
    for one in missing:
        print(one["reason"], file=sys.stderr)
    kept = {name: one for name, one in outcomes.items() if isinstance(one, Kept)}
    paths = {path: str(path.relative_to(directory)) for path in {one.path for one in kept.values()}}
    cells = [
        entry(document, kept[document.name], paths[kept[document.name].path])
        for document in documents
        if document.name in kept
    ]
    return {"cells": cells, "missing": missing}


@contextmanager
def prompt(device: torch.device) -> Iterator[None]:
    """On a GPU, switch threads more often than Python's default of 5 ms, which would delay every
    launch by that long."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(PROMPT if device.type == "cuda" else before)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def entry(document: Document, kept: Kept, path: str) -> dict[str, Any]:
    """The manifest entry of a document. path: of its cell, from the folder of the run."""
    return document.facts | {"cell": path, "cell_sha256": kept.sha256, "cell_bytes": kept.n_bytes}


def device_facts(device: torch.device) -> dict[str, Any]:
    if device.type == "cuda":
        return {
            "device": torch.cuda.get_device_name(device),
            "peak_gpu_mb": round(torch.cuda.max_memory_allocated(device) / 2**20),
        }
    return {"device": platform.processor() or platform.machine(), "peak_gpu_mb": None}
