"""Summaries of a shard's documents, in files of N_DOCUMENTS or more, the parts, each of consecutive
passes. A thread reduces a pass and writes parts while the model works on the next one."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sinkscope.documents import Document
from sinkscope.errors import ModelError, PassingError, SinkscopeError
from sinkscope.extract.analyse import Analyser
from sinkscope.extract.batches import Batch
from sinkscope.extract.cell import (
    Cell,
    cell_path,
    fingerprint_of,
    parts_folder,
    read_cell,
    write_cell,
)
from sinkscope.extract.full import Kept, Outcomes, batches_of, hash_of_job
from sinkscope.extract.summaries import Pending, begin
from sinkscope.extract.summary.part import joined
from sinkscope.files import leftovers, remove, sha256_of

N_DOCUMENTS = 64
IN_FLIGHT = 4  # passes that are not reduced yet: more would only take memory

Results = list[Cell | SinkscopeError]  # of the documents of a pass


@dataclass(frozen=True)
class Summaries:
    """How documents without maps are kept: as summaries in parts. shard: names the parts' folder.
    tie_tolerance: the setting, which the counts of near ties in a summary depend on."""

    shard: str
    tie_tolerance: float


def make_parts(
    analyser: Analyser,
    documents: Sequence[Document],
    code: str,
    results: Path,
    summaries: Summaries,
    advance: Callable[[], None],
) -> Outcomes:
    """Write the parts of a shard into its folder; those that are finished are kept. documents: all
    that get a summary. advance: called per document. Raises ModelError like the analyser."""
    model, tie_tolerance = analyser.loaded.row.model, summaries.tie_tolerance
    for document in documents:  # a cell from a run that kept it in full
        remove(cell_path(results, model, document.name))
    folder = parts_folder(results, model, summaries.shard)
    of_job = hash_of_job(analyser.loaded, analyser.settings, code)
    batches = batches_of(analyser, documents, (), summaries=True)
    for leftover in leftovers(folder):
        remove(leftover)
    outcomes: Outcomes = {}
    waiting: deque[Future[Any]] = deque()
    paths: set[Path] = set()

    def wait_for(n_waiting: int) -> None:
        while len(waiting) > n_waiting or (waiting and waiting[0].done()):
            result = waiting.popleft().result()
            if isinstance(result, dict):
                outcomes.update(result)
            else:
                for _ in result:
                    advance()

    with ThreadPoolExecutor(max_workers=1) as thread:
        for number, part in enumerate(parts_of(readable(batches, outcomes, advance))):
            path = folder / f"{number:04d}.safetensors"
            paths.add(path)
            of_part = [document for batch in part for document in batch.documents]
            texts = [[document.name, document.sha256] for document in of_part]
            hashed = of_job.copy()
            hashed.update(json.dumps(["summaries", tie_tolerance, texts]).encode())
            fingerprint = hashed.hexdigest()
            if fingerprint_of(path) == fingerprint:
                outcomes.update(kept(path, sha256_of(path)))
                for _ in of_part:
                    advance()
                continue
            futures: list[Future[Results]] = []
            for batch in part:
                for one in begun(analyser, batch, tie_tolerance):
                    futures.append(thread.submit(finished, one))
                    waiting.append(futures[-1])
                    wait_for(IN_FLIGHT)
            waiting.append(thread.submit(write, path, of_part, futures, fingerprint))
        wait_for(0)
    for path in set(folder.glob("*.safetensors")) - paths:
        remove(path)  # the shard was larger once
    return outcomes


def readable(
    batches: Iterable[Batch], outcomes: Outcomes, advance: Callable[[], None]
) -> Iterator[Batch]:
    """The batches that could be encoded; the error of any other goes to `outcomes`."""
    for batch in batches:
        if batch.problem is None:
            yield batch
        else:
            outcomes[batch.documents[0].name] = batch.problem
            advance()


def parts_of(batches: Iterable[Batch]) -> Iterator[list[Batch]]:
    """The batches of each part: as many as have N_DOCUMENTS, the last part fewer."""
    part: list[Batch] = []
    for batch in batches:
        part.append(batch)
        if sum(len(one.documents) for one in part) >= N_DOCUMENTS:
            yield part
            part = []
    if part:
        yield part


def begun(
    analyser: Analyser, batch: Batch, tie_tolerance: float
) -> Iterator[Pending | SinkscopeError]:
    """The pass over a batch; if it fails, a pass or the error of each document."""
    try:
        yield begin(analyser, batch, tie_tolerance)
        return
    except ModelError:
        raise
    except SinkscopeError as error:
        if len(batch.documents) == 1:
            yield error
            return
    for one in batch.alone():  # one of them, or all together, were too much
        yield from begun(analyser, one, tie_tolerance)


def finished(one: Pending | SinkscopeError) -> Results:
    return [one] if isinstance(one, SinkscopeError) else one.cells()


def write(
    path: Path, documents: Sequence[Document], results: Sequence[Future[Results]], fingerprint: str
) -> Outcomes:
    """Write a part with all documents that have a summary, and the reasons of the others, for the
    next run. Nothing is written if the machine was at fault for one of them."""
    of_documents = dict(
        zip(
            (document.name for document in documents),
            (one for of_pass in results for one in of_pass.result()),
            strict=True,
        )
    )
    refused = {name: one for name, one in of_documents.items() if isinstance(one, SinkscopeError)}
    cells = [one for one in of_documents.values() if isinstance(one, Cell)]
    if not cells or any(isinstance(error, PassingError) for error in refused.values()):
        return dict(refused)
    part = joined(cells)
    part.meta["refused"] = {name: str(error) for name, error in refused.items()}
    part.meta["fingerprint"] = fingerprint
    try:
        return kept(path, write_cell(path, part)) | refused
    except SinkscopeError as error:
        return dict.fromkeys(of_documents, error)


def kept(path: Path, sha256: str) -> Outcomes:
    """The outcomes of the documents of a finished part."""
    meta, n_bytes = read_cell(path, []).meta, path.stat().st_size
    names = meta["document"]
    outcomes: Outcomes = {
        name: Kept(path, sha256, n_bytes * (i + 1) // len(names) - n_bytes * i // len(names))
        for i, name in enumerate(names)
    }
    return outcomes | {name: SinkscopeError(text, name) for name, text in meta["refused"].items()}
