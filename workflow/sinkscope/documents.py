"""Documents: text files, or rows of a .jsonl or .parquet file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
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

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def read_documents(name: str, path: Path, shown_path: str, column: str) -> list[Document]:
    """The documents of one row of documents.tsv; line ends at a text's end are dropped.

    Rows of a table are named after the row, counted from 0 in names and errors: `news` gives
    `news-000000`, `news-000001`, ...
    Raises SinkscopeError for a missing, empty, unreadable or non-UTF-8 document.
    """
    if not os.path.isfile(path):  # also where the name is too long for a file
        raise SinkscopeError(f"document '{name}': {shown_path} does not exist; correct the path.")
    if path.suffix not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise SinkscopeError(
            f"document '{name}': {shown_path} is not one of {known}; save it as plain text."
        )
    if path.suffix in (".txt", ".md"):
        found = [Document(name, shown_path, None, decode(path.read_bytes(), shown_path))]
    else:
        rows = _jsonl(path, shown_path, column)
        if path.suffix == ".parquet":
            rows = _parquet(path, shown_path, column)
        found = [
            Document(f"{name}-{i:06d}", shown_path, i, text.rstrip("\r\n"))
            for i, text in enumerate(rows)
        ]
        if not found:
            raise SinkscopeError(f"document '{name}': {shown_path} has no rows; remove the row.")
    for document in found:
        if not document.text.strip():
            place = shown_path if document.row is None else f"{shown_path} row {document.row}"
            raise SinkscopeError(
                f"document '{document.name}': {place} is empty; add text or remove it."
            )
    return found


def decode(data: bytes, shown_path: str) -> str:
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n").rstrip("\n")
    except UnicodeDecodeError as error:
        raise SinkscopeError(
            f"{shown_path}: not UTF-8 at byte {error.start}; save the file as UTF-8."
        ) from error


def _jsonl(path: Path, shown_path: str, column: str) -> Iterator[str]:
    for row, line in enumerate(decode(path.read_bytes(), shown_path).split("\n")):
        try:
            value = json.loads(line)[column]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise SinkscopeError(
                f"{shown_path} row {row}: no JSON object with a text under '{column}'; "
                "correct it, or name the column in text_column."
            ) from error
        yield _as_text(value, f"{shown_path} row {row}", column)


def _parquet(path: Path, shown_path: str, column: str) -> Iterator[str]:
    import polars as pl

    try:
        values = pl.read_parquet(path, columns=[column])[column]
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SinkscopeError(
            f"{shown_path}: no Parquet file with a column '{column}'; "
            "correct the file, or name the column in text_column."
        ) from error
    for row, value in enumerate(values):
        yield _as_text(value, f"{shown_path} row {row}", column)


def _as_text(value: object, place: str, column: str) -> str:
    if not isinstance(value, str):
        raise SinkscopeError(f"{place}: '{column}' is not text; correct the row.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise SinkscopeError(
            f"{place}: '{column}' holds half of a surrogate pair, which is no character; "
            "correct the row."
        ) from error
    return value


def check_distinct(documents: list[Document]) -> list[str]:
    """One sentence for every document whose name or text another one has already."""
    problems: list[str] = []
    names: set[str] = set()
    texts: dict[str, str] = {}
    for document in documents:
        if document.name in names:
            problems.append(f"two documents are named '{document.name}'; rename one.")
        elif document.sha256 in texts:
            other = texts[document.sha256]
            problems.append(
                f"documents '{other}' and '{document.name}' hold the same text; remove one."
            )
        names.add(document.name)
        texts.setdefault(document.sha256, document.name)
    return problems
