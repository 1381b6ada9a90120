"""Batches of documents: tokenised ahead of the model, and grouped by length on a GPU."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

from sinkscope.documents import Document
from sinkscope.errors import SinkscopeError
from sinkscope.extract.encode import Encoded

AHEAD = 64  # documents that are tokenised ahead of the model
BLOCK = 16  # documents that are tokenised together
TOGETHER = 16_384  # tokens of a batch on a GPU

# Of each document its tokens, or the error if it could not be encoded.
EncodeAll = Callable[[Sequence[Document]], list[Encoded | SinkscopeError]]


@dataclass(frozen=True)
class Batch:
    """Documents of one length, whose cells all hold maps or none. problem: the error if the batch's
    only document could not be encoded."""

    documents: list[Document]
    encoded: list[Encoded]
    with_maps: bool = True
    problem: SinkscopeError | None = None


def encoded_ahead(
    encode_all: EncodeAll, documents: Iterable[Document]
) -> Iterator[tuple[Document, Encoded | SinkscopeError]]:
    """The documents in order, tokenised in a separate thread while others are analysed."""
    documents = iter(documents)
    with ThreadPoolExecutor(max_workers=1) as thread:
        waiting: deque[tuple[list[Document], Future[list[Encoded | SinkscopeError]]]] = deque()
        while block := list(islice(documents, BLOCK)):
            waiting.append((block, thread.submit(encode_all, block)))
            if len(waiting) * BLOCK > AHEAD:
                yield from outcomes(*waiting.popleft())
        while waiting:
            yield from outcomes(*waiting.popleft())


def outcomes(
    block: list[Document], future: Future[list[Encoded | SinkscopeError]]
) -> Iterator[tuple[Document, Encoded | SinkscopeError]]:
    return zip(block, future.result(), strict=True)


def batches(
    encode_all: EncodeAll,
    documents: Iterable[Document],
    mapped: Container[str],
    *,
    on_gpu: bool,
) -> Iterator[Batch]:
    """Batches of all documents: one document each on a CPU, documents of one length on a GPU.
    mapped: names of the documents whose cells hold maps.

    Only documents of one length are batched, since padding costs time and could change the
    attention. Documents at most AHEAD places apart can share a batch.
    """
    waiting: dict[tuple[int, bool], Batch] = {}
    n_waiting = 0
    for document, encoded in encoded_ahead(encode_all, documents):
        if isinstance(encoded, SinkscopeError):
            yield Batch([document], [], problem=encoded)
            continue
        n_tokens, with_maps = kind = len(encoded.ids), document.name in mapped
        batch = waiting.setdefault(kind, Batch([], [], with_maps))
        batch.documents.append(document)
        batch.encoded.append(encoded)
        n_waiting += 1
        if not on_gpu or (len(batch.documents) + 1) * n_tokens > TOGETHER:
            n_waiting -= len(batch.documents)
            yield waiting.pop(kind)
        elif n_waiting > AHEAD:
            n_waiting = 0
            yield from waiting.values()
            waiting = {}
    yield from waiting.values()
