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
class Shapes:
    """Shapes of padded passes. lengths: lengths that documents are padded to, ascending, so that
    documents of many lengths share few shapes; longer documents are not padded. n_tokens: tokens
    per pass, which with the length gives the number of rows. All passes of one length have the same
    shape, so that no result depends on the documents that share a pass."""

    lengths: tuple[int, ...]
    n_tokens: int

    def n_rows(self, length: int) -> int:
        return max(1, self.n_tokens // length)


ON_GPU = Shapes(
    (
        *(16, 24, 32, 48, 64, 96, 128, 160, 192, 224, 256, 320, 384, 448, 512),
        *(640, 768, 896, 1024, 1280, 1536, 1792, 2048),
    ),
    n_tokens=8192,
)
# On a processor, of models so small that most of the time is spent on calls, not on arithmetic.
ON_PROCESSOR = Shapes(tuple(range(16, 513, 16)), n_tokens=1024)


@dataclass(frozen=True)
class Batch:
    """Documents of one pass, whose cells all hold maps or none. n_tokens: the length to which all
    of them are padded; None if they have the same length. shapes: of padded passes. problem: the
    error if the batch's only document could not be encoded."""

    documents: list[Document]
    encoded: list[Encoded]
    with_maps: bool = True
    n_tokens: int | None = None
    shapes: Shapes = ON_GPU
    problem: SinkscopeError | None = None

    def alone(self) -> list[Batch]:
        """A batch of each document, without padding."""
        pairs = zip(self.documents, self.encoded, strict=True)
        return [Batch([document], [encoded], self.with_maps) for document, encoded in pairs]

    @property
    def width(self) -> int:
        """Tokens per row of the pass."""
        return self.n_tokens or len(self.encoded[0].ids)

    @property
    def n_rows(self) -> int:
        """Rows of the pass; a padded one may have more than documents."""
        n = self.n_tokens
        return len(self.documents) if n is None else self.shapes.n_rows(n)

    @property
    def is_full(self) -> bool:
        """Whether the batch takes no further document of its kind."""
        if self.n_tokens is not None:
            return len(self.documents) == self.n_rows
        return (len(self.documents) + 1) * len(self.encoded[0].ids) > TOGETHER


def padded_length(n_tokens: int, longest: int | None, shapes: Shapes = ON_GPU) -> int | None:
    """The next of the lengths, or the longest input of the model; None for documents that are as
    long or longer. Above n_tokens: a pass without any padding could take another kernel."""
    lengths = [one for one in shapes.lengths if longest is None or one < longest]
    fitting = [one for one in [*lengths, *([longest] if longest else [])] if one > n_tokens]
    return min(fitting, default=None) if n_tokens < shapes.lengths[-1] else None


def encoded_ahead(
    encode_all: EncodeAll, documents: Iterable[Document]
) -> Iterator[tuple[Document, Encoded | SinkscopeError]]:
    """The documents in order, tokenised in a separate thread while others are analysed."""
    documents = iter(documents)
    with ThreadPoolExecutor(max_workers=1) as thread:
        waiting: deque[tuple[list[Document], Future[list[Encoded | SinkscopeError]]]] = deque()
        while (block := list(islice(documents, BLOCK))) or waiting:
            if block:
                waiting.append((block, thread.submit(encode_all, block)))
            if not block or len(waiting) * BLOCK > AHEAD:
                done, future = waiting.popleft()
                yield from zip(done, future.result(), strict=True)


def batches(
    encode_all: EncodeAll,
    documents: Iterable[Document],
    mapped: Container[str],
    longest: int | None,
    *,
    on_gpu: bool,
    shapes: Shapes | None,
) -> Iterator[Batch]:
    """Batches of all documents. Those whose cells hold no maps are padded to a common length and
    share a pass (padding would be part of a map). Of the others and where shapes is None, documents
    of the same length share a pass on a GPU; on a processor, each goes alone.

    mapped: names of the documents whose cells hold maps. longest: longest input of the model.
    Documents at most AHEAD places apart can share a batch without padding.
    """
    waiting: dict[tuple[int, bool, bool], Batch] = {}
    n_waiting = 0
    for document, encoded in encoded_ahead(encode_all, documents):
        if isinstance(encoded, SinkscopeError):
            yield Batch([document], [], problem=encoded)
            continue
        with_maps, n_tokens = document.name in mapped, len(encoded.ids)
        n_padded = None
        if shapes is not None and not with_maps:
            n_padded = padded_length(n_tokens, longest, shapes)
        kind = (n_padded or n_tokens, n_padded is None, with_maps)
        batch = waiting.setdefault(kind, Batch([], [], with_maps, n_padded, shapes or ON_GPU))
        batch.documents.append(document)
        batch.encoded.append(encoded)
        n_waiting += n_padded is None
        if batch.is_full or (n_padded is None and not on_gpu):
            n_waiting -= len(batch.documents) * (n_padded is None)
            yield waiting.pop(kind)
        elif n_waiting > AHEAD:
            n_waiting = 0
            unpadded = [key for key, one in waiting.items() if one.n_tokens is None]
            yield from [waiting.pop(key) for key in unpadded]
    yield from waiting.values()
