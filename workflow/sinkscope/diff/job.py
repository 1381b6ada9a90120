"""The printed comparison of two folders of results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sinkscope.catalogue import all_tables
from sinkscope.diff.differences import compare
from sinkscope.diff.folders import read_table, table_files, tables_folder
from sinkscope.diff.text import Total, summary, table_lines
from sinkscope.printable import printable


def diff_folders(a: Path, b: Path, tolerance: float, say: Callable[[str], None]) -> bool:
    """Print every table that differs, and a summary; returns whether any table differs."""
    folder_a, folder_b = tables_folder(a), tables_folder(b)
    files_a, files_b = table_files(folder_a), table_files(folder_b)
    say(printable(f"A: {folder_a}\nB: {folder_b}"))
    total, known = Total(), all_tables()
    for name in sorted(files_a | files_b):
        if name not in files_a or name not in files_b:
            total.add_alone()
            say(printable(f"{name}: only in {'A' if name in files_a else 'B'}"))
            continue
        key = known[name].sort if name in known else None
        differences = compare(
            read_table(files_a[name]), read_table(files_b[name]), key or (), tolerance
        )
        total.add(differences)
        for line in table_lines(name, differences, key):
            say(line)
    say(summary(total, tolerance))
    return total.differ > 0
