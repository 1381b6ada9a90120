"""The figures of a section of the report: one module each."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.select import with_softmax
from sinkscope.charts.write import write_all
from sinkscope.discovery import in_order, load
from sinkscope.tables.read import StoredTables


def figures_in(package: str, order: Sequence[str], *arguments: Any) -> list[Figure]:
    """The results of `figure(*arguments)` of every module in a package, without None. order:
    modules, in the order of the report."""
    figures = [load(name).figure(*arguments) for name in in_order(package, order)]
    return [figure for figure in figures if figure is not None]


def write_section(
    package: str,
    order: Sequence[str],
    names: Sequence[str],
    tables: Path,
    out: Path,
    *,
    every_kind: bool = False,
) -> None:
    """Write the figures of a section into the folder `out`, as write_all does.

    names: tables that they read, from the folder `tables`. If `models` is among them, models whose
    attention is not softmax are left out, unless every_kind is true.
    """
    frames: Tables = StoredTables(tables, names)
    if "models" in frames and not every_kind:
        frames = with_softmax(frames)
    write_all(figures_in(package, order, frames), out)
