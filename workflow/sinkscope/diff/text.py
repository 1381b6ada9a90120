"""Differences as lines of text."""

from collections import Counter
from collections.abc import Iterator, Sequence

import polars as pl

from sinkscope.diff.differences import Differences
from sinkscope.printable import printable
from sinkscope.words import counted

LINES = 10  # per table and kind of difference


def totals_of(differences: Differences | None) -> dict[str, int]:
    """What a table adds to the totals of each kind; None: a table that only one folder has."""
    if differences is None:
        return {"tables": 1, "differ": 1, "alone": 1}
    totals = {"tables": 1, "differ": int(bool(differences)), "columns": len(differences.columns)}
    totals |= {"rows": differences.n_rows, "values": differences.n_values}
    return totals | {"compared": differences.a.height}  # rows of A


def summary(total: Counter[str], tolerance: float) -> str:
    tables = counted(total["tables"], "table")
    if not total["differ"]:
        within = f" within {tolerance!r}" if tolerance else ""
        verb = "is" if total["tables"] == 1 else "are"
        return f"{tables} {verb} equal{within} ({counted(total['compared'], 'row')})."
    parts = _counts(values=total["values"], rows=total["rows"], columns=total["columns"])
    if total["alone"]:
        parts.append(f"{counted(total['alone'], 'table')} in one folder only")
    verb = "differs" if total["differ"] == 1 else "differ"
    return f"{tables}, {total['differ']:,} {verb}: {', '.join(parts)}"


def table_lines(name: str, differences: Differences, key: Sequence[str] | None) -> Iterator[str]:
    """Lines about one table; none if it is equal. key: of its rows; None for an unknown table."""
    notes = list(_notes(differences, key))
    if not differences and not notes:
        return
    counts = _counts(
        values=differences.n_values, rows=differences.n_rows, columns=len(differences.columns)
    )
    yield printable(f"{name}: {', '.join(counts) or 'equal'}")
    for line in (*notes, *_columns(differences), *_rows(differences), *_values(differences)):
        yield printable(f"  {line}")


def _notes(differences: Differences, key: Sequence[str] | None) -> Iterator[str]:
    if key is None:
        yield "not a table of Sinkscope: rows are matched by position"
    elif not differences.key:
        yield f"rows are matched by position: {', '.join(key)} are not the same columns in A and B"
    if any(differences.duplicates):
        a, b = differences.duplicates
        yield f"{counted(a, 'row')} in A and {b:,} in B share their key with another row"


def _columns(differences: Differences) -> Iterator[str]:
    for name, a, b in differences.columns[:LINES]:
        if a is None or b is None:
            yield f"column {name}: only in {'A' if b is None else 'B'}"
        else:
            yield f"column {name}: {a} in A, {b} in B"
    yield from _more(len(differences.columns) - LINES, "column")


def _rows(differences: Differences) -> Iterator[str]:
    first = [("A", differences.a, row) for row in differences.only_a.head(LINES)]
    first += [("B", differences.b, row) for row in differences.only_b.head(LINES)]
    for letter, frame, row in first[:LINES]:
        yield f"{_row(differences, frame, row)}: only in {letter}"
    yield from _more(differences.n_rows - LINES, "row")


def _values(differences: Differences) -> Iterator[str]:
    for a, b, column in list(differences.changes(LINES))[:LINES]:
        values = f"{_value(differences.a[column][a])} in A, {_value(differences.b[column][b])} in B"
        yield f"{_row(differences, differences.a, a)}: {column} {values}"
    if differences.n_values > LINES:
        sizes = ", ".join(f"{column} {size:.3g}" for column, size in differences.largest().items())
        largest = f"; largest |a - b|: {sizes}" if sizes else ""
        yield f"... and {counted(differences.n_values - LINES, 'more value')}{largest}"


def _row(differences: Differences, frame: pl.DataFrame, row: int) -> str:
    if not differences.key:
        return f"row {row}"
    return ", ".join(f"{name} {_value(frame[name][row])}" for name in differences.key)


def _value(value: object) -> str:
    if isinstance(value, pl.Series):  # a list
        return repr(value.to_list())
    return "null" if value is None else repr(value)


def _more(n: int, noun: str) -> Iterator[str]:
    if n > 0:
        yield f"... and {counted(n, f'more {noun}')}"


def _counts(**differences: int) -> list[str]:
    """The counts above 0 in words: `2 rows`."""
    return [counted(n, kind.removesuffix("s")) for kind, n in differences.items() if n]
