"""Tables of the configuration: tab-separated fields under a header line."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sinkscope.errors import SinkscopeError
from sinkscope.printable import UNPRINTABLE, printable
from sinkscope.schema import properties, required, unknown

LONGEST = 4096  # characters of a field: the limit of a path


def read_tsv(table: str, directory: Path, schema: str) -> list[tuple[str, dict[str, Any]]]:
    """("FILE line N", row without its empty fields) per row; empty lines and comments (#) are
    skipped, but counted. schema: name of that of a row. Raises SinkscopeError with one sentence per
    wrong line."""
    lines = read_lines(table, directory)
    if len(lines) < 2:
        raise SinkscopeError(f"{table}: has no rows; add a header line and at least one row.")
    numbered = [(f"{table} line {number}", line.rstrip().split("\t")) for number, line in lines]
    (where, cells), *rows = numbered
    header = [cell.strip() for cell in cells]
    problems = [f"{where}: {sentence}" for sentence in of_header(header, schema)]
    for where, fields in rows:
        problems += [f"{where}: {sentence}" for sentence in of_row(fields, len(header))]
    if problems:
        raise SinkscopeError("\n".join(problems))
    return [
        (where, {key: cell.strip() for key, cell in zip(header, row, strict=False) if cell.strip()})
        for where, row in rows
    ]


def read_lines(table: str, directory: Path) -> list[tuple[int, str]]:
    """(number, line) of the lines that are not empty and not comments."""
    path = directory / table
    if not os.path.isfile(path):  # also where the name is too long for a file
        raise SinkscopeError(f"{table} does not exist in {directory}; create it or correct config.")
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise SinkscopeError(f"{table}: not UTF-8; save the table as UTF-8.") from error
    return [
        (number, line)
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.startswith("#")
    ]


def of_header(header: Sequence[str], schema: str) -> Iterator[str]:
    for name, count in Counter(header).items():
        if not name:
            yield "a column has no name; give it one, or remove its tab."
        elif count > 1:
            yield f"the column '{name}' occurs {count} times; keep one of them."
    known = ", ".join(properties(schema))
    for sentence in unknown("column", [name for name in header if name], properties(schema)):
        yield sentence if sentence.endswith(".") else f"{sentence} The columns are {known}."
    for name in required(schema):
        if name not in header:
            yield f"the column '{name}' is missing; add it."


def of_row(fields: Sequence[str], n_columns: int) -> Iterator[str]:
    if len(fields) > n_columns:
        yield (
            f"{len(fields)} fields, but the header has {n_columns}; separate fields with single "
            "tabs."
        )
    for field in fields:
        if len(field) > LONGEST:
            yield f"a field of {len(field):,} characters ({field[:20]}...); shorten it."
        elif match := UNPRINTABLE.search(field):
            yield f"'{printable(field)}' holds the character U+{ord(match[0]):04X}; remove it."
