"""Documents on their way to the model: tokenised ahead, and together where they fill a GPU."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from sinkscope.documents import Document
from sinkscope.errors import SinkscopeError
from sinkscope.extract.encode import Encoded

AHEAD = 64  # documents that are tokenised before their turn
TOGETHER = 16_384  # tokens of a batch on a GPU


@dataclass(frozen=True)
class Batch:
    """Documents of one length; problem: why the one document of it could not be encoded."""

    documents: list[Document]
    encoded: list[Encoded]
    problem: SinkscopeError | None = None


def encoded_ahead(
    encode: Callable[[Document], Encoded], documents: Iterable[Document]
) -> Iterator[tuple[Document, Encoded | SinkscopeError]]:
    """The documents in order, tokenised in a thread of its own while others are analysed."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        waiting: deque[tuple[Document, Future[Encoded]]] = deque()
        for document in documents:
            waiting.append((document, thread.submit(encode, document)))
            if len(waiting) > AHEAD:
                yield outcome(*waiting.popleft())
        while waiting:
            yield outcome(*waiting.popleft())


def outcome(
    document: Document, future: Future[Encoded]
) -> tuple[Document, Encoded | SinkscopeError]:
    try:
        return document, future.result()
    except SinkscopeError as error:
        return document, error


def batches(
    encode: Callable[[Document], Encoded], documents: Iterable[Document], *, on_gpu: bool
) -> Iterator[Batch]:
    """All documents: one at a time on a processor, on a GPU those of one length together.

    Of one length, since padding would cost time and could change what is seen. Documents that
    come up to AHEAD places apart can meet.
    """
    waiting: dict[int, Batch] = {}
    n_waiting = 0
    for document, encoded in encoded_ahead(encode, documents):
        if isinstance(encoded, SinkscopeError):
            yield Batch([document], [], encoded)
            continue
        n_tokens = len(encoded.ids)
        batch = waiting.setdefault(n_tokens, Batch([], []))
        batch.documents.append(document)
        batch.encoded.append(encoded)
        n_waiting += 1
        if not on_gpu or (len(batch.documents) + 1) * n_tokens > TOGETHER:
            n_waiting -= len(batch.documents)
            yield waiting.pop(n_tokens)
        elif n_waiting > AHEAD:
            n_waiting = 0
            yield from waiting.values()
            waiting = {}
    yield from waiting.values()
