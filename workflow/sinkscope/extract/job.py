"""One extraction job: a model over a shard of documents, finished cells kept."""

from __future__ import annotations

import hashlib
import json
import platform
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
import transformers
from rich.console import Console
from rich.progress import track

from sinkscope.code import modules
from sinkscope.config import ModelRow, Settings
from sinkscope.documents import Document
from sinkscope.errors import ModelError, SinkscopeError
from sinkscope.extract.analyse import Analyser
from sinkscope.extract.cell import cell_path, fingerprint_of, write_cell
from sinkscope.extract.model import Loaded, load_model, threads
from sinkscope.extract.streaming import Workspace
from sinkscope.files import sha256_of, write_json


def code_hash() -> str:
    """Hash of the modules that extraction runs."""
    total = hashlib.sha256()
    for path in modules("extract"):
        total.update(path.name.encode() + path.read_bytes())
    return total.hexdigest()


def versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def fingerprint(loaded: Loaded, settings: Settings, document: Document) -> str:
    """Hash of all that a cell depends on; a finished cell with the same one is kept."""
    parts: list[Any] = [
        code_hash(),
        versions(),
        loaded.facts(),
        loaded.row.identity(),
        vars(settings),
        document.name,
        document.sha256,
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def run_job(
    row: ModelRow,
    documents: Sequence[Document],
    settings: Settings,
    directory: Path,
    manifest: Path,
    n_threads: int,
) -> None:
    """Make the cells of one model over one shard below results/cells, then the manifest.

    A cell that is there with the same fingerprint is kept. A bad document does not stop the
    others; at the end SinkscopeError has one sentence for each, and no manifest is written.
    """
    started = time.monotonic()
    problems: list[str] = []
    entries: list[dict[str, Any]] = []
    for stale in (manifest, failure_path(manifest)):
        stale.unlink(missing_ok=True)
    try:
        with threads(n_threads):
            loaded = load_model(row, directory)
            analyser = Analyser(loaded, settings, Workspace(loaded.device))
            for document in progress(row.model, documents):
                try:
                    entries.append(make_cell(analyser, document, directory))
                except ModelError:
                    raise
                except SinkscopeError as error:
                    problems.append(about(document, error))
    except SinkscopeError as error:
        problems.append(str(error))
    if problems:
        done = [entry["document"] for entry in entries]
        with suppress(SinkscopeError):  # a full disk must not hide what went wrong
            write_json(failure_path(manifest), {"problems": problems, "done": done})
        raise SinkscopeError("\n".join(problems))
    write_json(
        manifest,
        {
            "model": loaded.facts(),
            "cells": entries,
            "job": {
                "seconds": round(time.monotonic() - started, 2),
                "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
                **device_facts(loaded.device),
                "threads": n_threads,
                "versions": versions(),
            },
        },
    )


def about(document: Document, error: SinkscopeError) -> str:
    """The error's sentence, which names the document at the latest here."""
    sentence = str(error)
    named = f"document '{document.name}'"
    return sentence if named in sentence else f"{named}: {sentence}"


def failure_path(manifest: Path) -> Path:
    """Why a job failed, beside where its manifest would be; the report reads it."""
    return manifest.with_suffix(".failed")


def make_cell(analyser: Analyser, document: Document, directory: Path) -> dict[str, Any]:
    """Analyse one document unless its cell is there already; its entry in the manifest."""
    loaded = analyser.loaded
    path = cell_path(directory / "results", loaded.row.model, document.name)
    wanted = fingerprint(loaded, analyser.settings, document)
    if fingerprint_of(path) != wanted:
        cell = analyser.analyse(document)
        cell.meta["fingerprint"] = wanted
        write_cell(path, cell)
    return {
        "document": document.name,
        "path": document.path,
        "row": document.row,
        "n_characters": len(document.text),
        "n_words": len(document.text.split()),
        "sha256": document.sha256,
        "cell": str(path.relative_to(directory)),
        "cell_sha256": sha256_of(path),
    }


def progress(model: str, documents: Sequence[Document]) -> Iterator[Document]:
    """A bar on a terminal; in a log file, a line for every tenth of the way."""
    console = Console(stderr=True)
    if console.is_terminal:
        yield from track(documents, description=model, console=console)
        return
    step = max(1, len(documents) // 10)
    for number, document in enumerate(documents, start=1):
        yield document
        if number % step == 0 or number == len(documents):
            print(f"{model}: {number} of {len(documents)} documents", file=sys.stderr, flush=True)


def device_facts(device: torch.device) -> dict[str, Any]:
    if device.type == "cuda":
        return {
            "device": torch.cuda.get_device_name(device),
            "peak_gpu_mb": round(torch.cuda.max_memory_allocated(device) / 2**20),
        }
    return {"device": platform.processor() or platform.machine(), "peak_gpu_mb": None}
