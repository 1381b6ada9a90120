"""Documents: text files, or rows of a corpus (a .jsonl or .parquet file)."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, TypeAlias

from sinkscope.corpus import EVERY, SUFFIXES, Corpus, Sampling, Store
from sinkscope.errors import SinkscopeError

PLAIN = (".txt", ".md")


@dataclass(frozen=True)
class Document:
    """One document of the grid. row: 0-based row of a .jsonl or .parquet file, else None."""

    name: str
    path: str
    row: int | None
    text: str

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def n_characters(self) -> int:
        return len(self.text)

    @property
    def n_words(self) -> int:
        return len(self.text.split())

    @property
    def facts(self) -> dict[str, Any]:
        """What a manifest says of it."""
        names = ("path", "row", "n_characters", "n_words", "sha256")
        return {"document": self.name} | {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Listed:
    """A document of a corpus that is known by its listing. Its text is read from the file at each
    access; `with_texts` reads many at once."""

    name: str
    path: str
    row: int
    sha256: str
    n_characters: int
    n_words: int
    corpus: Corpus = field(repr=False, compare=False)
    place: int = field(repr=False, compare=False)

    @property
    def text(self) -> str:
        return with_texts([self])[0].text


AnyDocument: TypeAlias = Document | Listed


@dataclass(frozen=True)
class Refused:
    """A document of the table that cannot be read. reason: a sentence that says what to do."""

    name: str
    reason: str


def with_texts(documents: Iterable[AnyDocument]) -> tuple[Document, ...]:
    """The same documents, each with its text. Raises SinkscopeError for a text that has changed
    since it was listed."""
    results: list[Document] = []
    for corpus, part in groupby(documents, lambda one: getattr(one, "corpus", None)):
        of_part = list(part)
        if corpus is None:
            results += [one for one in of_part if isinstance(one, Document)]
            continue
        from sinkscope.listings import texts_of  # loads Polars, which only corpora need

        listed = [one for one in of_part if isinstance(one, Listed)]
        texts = texts_of(corpus, [one.row for one in listed], [one.place for one in listed])
        for one, text in zip(listed, texts, strict=True):
            document = Document(one.name, one.path, one.row, text)
            if document.sha256 != one.sha256:
                raise SinkscopeError(
                    f"{one.path} row {one.row}: was changed after this run was started; run again."
                )
            results.append(document)
    return tuple(results)


def read_documents(name: str, path: Path, shown_path: str, column: str) -> list[Document]:
    """The documents of one row of documents.tsv. Raises SinkscopeError if one cannot be read."""
    documents: list[AnyDocument] = []
    for entry in read_entries(name, path, shown_path, column):
        if isinstance(entry, Refused):
            raise SinkscopeError(entry.reason)
        documents.append(entry)
    return list(with_texts(documents))


def read_entries(
    name: str,
    path: Path,
    shown_path: str,
    column: str,
    sampling: Sampling = EVERY,
    store: Store | None = None,
) -> Sequence[AnyDocument | Refused]:
    """The documents of one row of documents.tsv; a Refused stands for each that cannot be read.
    Those of a .jsonl or .parquet file are named after their rows: `news-000000`, `news-000001`, ...
    sampling: rows of such a file. store: where its listing is kept."""
    try:
        if not os.path.isfile(path):  # also where the name is too long for a file
            sentence = f"{shown_path} does not exist; correct the path."
            return [Refused(name, f"document '{name}': {sentence}")]
        if path.suffix not in (*PLAIN, *SUFFIXES):
            known = ", ".join((*PLAIN, *SUFFIXES))
            sentence = f"{shown_path} is not one of {known}; save it as plain text."
            return [Refused(name, f"document '{name}': {sentence}")]
        if path.suffix in PLAIN:
            return [plain(name, path, shown_path)]
        entries = of_corpus(Corpus(name, path, shown_path, column), sampling, store)
    except SinkscopeError as error:
        return [Refused(name, str(error))]
    except OSError as error:
        reason = f"{shown_path}: cannot be read ({error.strerror}); check its permissions."
        return [Refused(name, f"document '{name}': {reason}")]
    empty = f"document '{name}': {shown_path} has no rows; remove the row."
    return entries or [Refused(name, empty)]


def plain(name: str, path: Path, shown_path: str) -> Document | Refused:
    """The document of a text file."""
    text = decode(path.read_bytes(), shown_path)
    if not text.strip():
        reason = f"document '{name}': {shown_path} is empty; add text or remove it."
        return Refused(name, reason)
    return Document(name, shown_path, None, text)


def of_corpus(
    corpus: Corpus, sampling: Sampling, store: Store | None
) -> list[AnyDocument | Refused]:
    """The documents of a corpus, in the order of its rows."""
    from sinkscope.listings import listing

    entries: list[AnyDocument | Refused] = []
    for row, place, sha256, n_characters, n_words, problem, text in listing(
        corpus, sampling, store
    ).iter_rows():
        name = corpus.document(row)
        if problem is not None:
            entries.append(Refused(name, problem))
        elif text is not None:
            entries.append(Document(name, corpus.shown_path, row, text))
        else:
            sizes = (sha256, n_characters, n_words)
            entries.append(Listed(name, corpus.shown_path, row, *sizes, corpus, place))
    return entries


def decode(data: bytes, shown_path: str) -> str:
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n").rstrip("\n")
    except UnicodeDecodeError as error:
        raise SinkscopeError(
            f"{shown_path}: not UTF-8 at byte {error.start}; save the file as UTF-8."
        ) from error


def distinct(entries: Iterable[AnyDocument | Refused], table: str) -> list[AnyDocument | Refused]:
    """The same entries; a document with the name or text of an earlier one becomes a Refused.

    table: the file that names the documents, for the messages.
    """
    results: list[AnyDocument | Refused] = []
    names: set[str] = set()
    texts: dict[str, str] = {}
    for entry in entries:
        reason = None
        if entry.name in names:
            reason = f"{table}: two documents are named '{entry.name}'; rename one."
        elif not isinstance(entry, Refused):
            other = texts.setdefault(entry.sha256, entry.name)
            if other != entry.name:
                both = f"documents '{other}' and '{entry.name}'"
                reason = f"{table}: {both} hold the same text; remove one."
        results.append(entry if reason is None else Refused(entry.name, reason))
        names.add(entry.name)
    return results
