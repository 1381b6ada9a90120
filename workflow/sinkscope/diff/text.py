"""Differences as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from sinkscope.diff.differences import Differences
from sinkscope.printable import printable

LINES = 10  # per table and kind of difference


@dataclass
class Total:
    """What all tables together have. differ: tables that differ; alone: those of them that only
    one folder has. rows, columns, values: how many differences of each kind."""

    tables: int = 0
    differ: int = 0
    alone: int = 0
    columns: int = 0
    rows: int = 0
    values: int = 0
    compared: int = 0  # rows of A

    def add(self, found: Differences) -> None:
        self.tables += 1
        self.differ += bool(found)
        self.columns += len(found.columns)
        self.rows += found.n_rows
        self.values += found.n_values
        self.compared += found.a.height

    def add_alone(self) -> None:
        self.tables += 1
        self.differ += 1
        self.alone += 1


def summary(total: Total, tolerance: float) -> str:
    tables = count(total.tables, "table")
    if not total.differ:
        within = f" within {tolerance!r}" if tolerance else ""
        verb = "is" if total.tables == 1 else "are"
        return f"{tables} {verb} equal{within} ({count(total.compared, 'row')})."
    parts = _counts(values=total.values, rows=total.rows, columns=total.columns)
    if total.alone:
        parts.append(f"{count(total.alone, 'table')} in one folder only")
    return f"{tables}, {total.differ:,} {_verb(total.differ)}: {', '.join(parts)}"


def table_lines(name: str, found: Differences, key: Sequence[str] | None) -> Iterator[str]:
    """Lines about one table; none where there is nothing to say.

    key: what identifies the table's rows; None where Sinkscope does not know the table.
    """
    notes = list(_notes(found, key))
    if not found and not notes:
        return
    counts = _counts(values=found.n_values, rows=found.n_rows, columns=len(found.columns))
    yield printable(f"{name}: {', '.join(counts) or 'equal'}")
    for line in (*notes, *_columns(found), *_rows(found), *_values(found)):
        yield printable(f"  {line}")


def _notes(found: Differences, key: Sequence[str] | None) -> Iterator[str]:
    if key is None:
        yield "not a table of Sinkscope: rows are matched by position"
    elif not found.key:
        yield f"rows are matched by position: {', '.join(key)} are not the same columns in A and B"
    if any(found.duplicates):
        a, b = found.duplicates
        yield f"{count(a, 'row')} in A and {b:,} in B share their key with another row"


def _columns(found: Differences) -> Iterator[str]:
    for name, a, b in found.columns[:LINES]:
        if a is None or b is None:
            yield f"column {name}: only in {'A' if b is None else 'B'}"
        else:
            yield f"column {name}: {a} in A, {b} in B"
    yield from _more(len(found.columns) - LINES, "column")


def _rows(found: Differences) -> Iterator[str]:
    first = [("A", found.a, row) for row in found.only_a.head(LINES)]
    first += [("B", found.b, row) for row in found.only_b.head(LINES)]
    for letter, frame, row in first[:LINES]:
        yield f"{_row(found, frame, row)}: only in {letter}"
    yield from _more(found.n_rows - LINES, "row")


def _values(found: Differences) -> Iterator[str]:
    for a, b, column in list(found.changes(LINES))[:LINES]:
        values = f"{_value(found.a[column][a])} in A, {_value(found.b[column][b])} in B"
        yield f"{_row(found, found.a, a)}: {column} {values}"
    if found.n_values > LINES:
        sizes = ", ".join(f"{column} {size:.3g}" for column, size in found.largest().items())
        largest = f"; largest |a - b|: {sizes}" if sizes else ""
        yield f"... and {count(found.n_values - LINES, 'more value')}{largest}"


def _row(found: Differences, frame: pl.DataFrame, row: int) -> str:
    if not found.key:
        return f"row {row}"
    return ", ".join(f"{name} {_value(frame[name][row])}" for name in found.key)


def _value(value: object) -> str:
    if isinstance(value, pl.Series):  # a list
        return repr(value.to_list())
    return "null" if value is None else repr(value)


def _more(n: int, noun: str) -> Iterator[str]:
    if n > 0:
        yield f"... and {count(n, f'more {noun}')}"


def _counts(**differences: int) -> list[str]:
    """Of each kind that there is: `2 rows`."""
    return [count(n, kind.removesuffix("s")) for kind, n in differences.items() if n]


def count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _verb(n: int) -> str:
    return "differs" if n == 1 else "differ"
