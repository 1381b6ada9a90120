"""Documents: text files, or rows of a .jsonl or .parquet file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sinkscope.errors import SinkscopeError

SUFFIXES = (".txt", ".md", ".jsonl", ".parquet")


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


@dataclass(frozen=True)
class Refused:
    """A document of the table that cannot be read. reason: a sentence that says what to do."""

    name: str
    reason: str


def read_documents(name: str, path: Path, shown_path: str, column: str) -> list[Document]:
    """The documents of one row of documents.tsv. Raises SinkscopeError if one cannot be read."""
    documents: list[Document] = []
    for entry in read_entries(name, path, shown_path, column):
        if isinstance(entry, Refused):
            raise SinkscopeError(entry.reason)
        documents.append(entry)
    return documents


def read_entries(name: str, path: Path, shown_path: str, column: str) -> list[Document | Refused]:
    """The documents of one row of documents.tsv; a Refused stands for each that cannot be read.

    Line ends at the end of a text are dropped. A document of a .jsonl or .parquet file is named
    after its row: `news` gives `news-000000`, `news-000001`, ... Rows count from 0.
    """
    try:
        texts = list(_texts(name, path, shown_path, column))
    except SinkscopeError as error:
        return [Refused(name, str(error))]
    entries: list[Document | Refused] = []
    for row, text in texts:
        document = name if row is None else f"{name}-{row:06d}"
        location = shown_path if row is None else f"{shown_path} row {row}"
        if isinstance(text, SinkscopeError):
            entries.append(Refused(document, str(text)))
        elif not text.strip():
            reason = f"document '{document}': {location} is empty; add text or remove it."
            entries.append(Refused(document, reason))
        else:
            entries.append(Document(document, shown_path, row, text))
    return entries


def _texts(
    name: str, path: Path, shown_path: str, column: str
) -> Iterator[tuple[int | None, str | SinkscopeError]]:
    """(row, text or error) of each text of a file. Raises SinkscopeError for the whole file."""
    if not os.path.isfile(path):  # also where the name is too long for a file
        raise SinkscopeError(f"document '{name}': {shown_path} does not exist; correct the path.")
    if path.suffix not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise SinkscopeError(
            f"document '{name}': {shown_path} is not one of {known}; save it as plain text."
        )
    if path.suffix in (".txt", ".md"):
        yield None, decode(path.read_bytes(), shown_path)
        return
    rows = (_parquet if path.suffix == ".parquet" else _jsonl)(path, shown_path, column)
    row = -1
    for row, value in enumerate(rows):
        yield row, _as_text(value, f"{shown_path} row {row}", column)
    if row < 0:
        raise SinkscopeError(f"document '{name}': {shown_path} has no rows; remove the row.")


def decode(data: bytes, shown_path: str) -> str:
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n").rstrip("\n")
    except UnicodeDecodeError as error:
        raise SinkscopeError(
            f"{shown_path}: not UTF-8 at byte {error.start}; save the file as UTF-8."
        ) from error


def _jsonl(path: Path, shown_path: str, column: str) -> Iterator[object]:
    for row, line in enumerate(decode(path.read_bytes(), shown_path).split("\n")):
        try:
            yield json.loads(line)[column]
        except (ValueError, KeyError, TypeError, RecursionError):
            yield SinkscopeError(
                f"{shown_path} row {row}: is not a JSON object with a text under '{column}'; "
                "correct it, or name the column in text_column."
            )


def _parquet(path: Path, shown_path: str, column: str) -> Iterable[object]:
    import polars as pl

    try:
        return pl.read_parquet(path, columns=[column])[column]
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SinkscopeError(
            f"{shown_path}: is not a Parquet file with a column '{column}'; "
            "correct the file, or name the column in text_column."
        ) from error


def _as_text(value: object, location: str, column: str) -> str | SinkscopeError:
    """The text without line ends at its end; or the error, which `value` may be already."""
    if isinstance(value, SinkscopeError):
        return value
    if not isinstance(value, str):
        return SinkscopeError(f"{location}: '{column}' is not text; correct the row.")
    try:
        value.encode()
    except UnicodeEncodeError:
        return SinkscopeError(
            f"{location}: '{column}' holds half of a surrogate pair, which is not a character; "
            "correct the row."
        )
    return value.rstrip("\r\n")


def distinct(entries: Iterable[Document | Refused], table: str) -> list[Document | Refused]:
    """The same entries; a document with the name or text of an earlier one becomes a Refused.

    table: the file that names the documents, for the messages.
    """
    results: list[Document | Refused] = []
    names: set[str] = set()
    texts: dict[str, str] = {}
    for entry in entries:
        reason = None
        if entry.name in names:
            reason = f"{table}: two documents are named '{entry.name}'; rename one."
        elif isinstance(entry, Document):
            other = texts.setdefault(entry.sha256, entry.name)
            if other != entry.name:
                both = f"documents '{other}' and '{entry.name}'"
                reason = f"{table}: {both} hold the same text; remove one."
        results.append(entry if reason is None else Refused(entry.name, reason))
        names.add(entry.name)
    return results
