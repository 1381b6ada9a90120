"""The page that compares runs A and B: changes in tables and in the sentences of figures."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sinkscope.catalogue import all_tables
from sinkscope.compare.changes import TableChanges, changes_of
from sinkscope.compare.figure import figure
from sinkscope.compare.pictures import MOST, pairs
from sinkscope.diff.job import read_table, table_files, tables_folder
from sinkscope.report import site
from sinkscope.report.page import shown
from sinkscope.report.terms import Terms

MOST_ROWS = 100  # of a table, on the page
FIGURES = "findings"  # the table of the numbers in the sentences of figures


@dataclass(frozen=True)
class Compared:
    """Two runs. alone: tables of one run, with that run."""

    a: Path
    b: Path
    tables: list[TableChanges]
    alone: list[tuple[str, str]]


def compare_runs(a: Path, b: Path) -> Compared:
    """Raises SinkscopeError for a folder without tables, and for a table that cannot be read."""
    folders = tables_folder(a), tables_folder(b)
    files_a, files_b = (table_files(folder) for folder in folders)
    known = all_tables()
    tables = [
        changes_of(
            name,
            read_table(files_a[name]),
            read_table(files_b[name]),
            known[name].sort if name in known else (),
        )
        for name in sorted(files_a.keys() & files_b.keys())
    ]
    alone = [(name, "A" if name in files_a else "B") for name in sorted(files_a ^ files_b.keys())]
    return Compared(*folders, tables, alone)


def page(compared: Compared) -> str:
    """One page of HTML that needs no other file."""
    tables = [table for table in compared.tables if table.name != FIGURES]
    differing = list(pairs(compared.a.parent, compared.b.parent))
    numbers = next((table for table in compared.tables if table.name == FIGURES), None)
    return (
        site.environment()
        .get_template("compare.html.j2")
        .render(
            title="Two runs",
            name="",
            pages=[],
            lacks=None,
            about=None,
            terms=Terms(),
            page={},
            inline={
                "styles": [site.style(name) for name in site.STYLES],
                "scripts": {name: site.script(name) for name in site.scripts(figures=True)},
                "data": [],
            },
            a=compared.a,
            b=compared.b,
            tables=[values_of(table) for table in tables],
            alone=compared.alone,
            n_equal=sum(not table.differences for table in compared.tables),
            n_tables=len(compared.tables),
            n_beyond=sum(table.n_beyond for table in tables),
            n_compared=sum(table.n_compared for table in tables),
            figures=list(figure_changes(numbers)) if numbers else [],
            pairs=differing[:MOST],
            more_pairs=differing[MOST:],
        )
    )


def values_of(table: TableChanges) -> dict[str, Any]:
    drawn = figure(table)
    rows = table.changes.head(MOST_ROWS)
    return {
        "name": table.name,
        "table": table,
        "figure": None if drawn is None else shown(drawn),
        "rows": list(rows.iter_rows(named=True)),
        "n_changed": table.changes.height,
        "largest": table.differences.largest(),
    }


def figure_changes(table: TableChanges) -> Iterator[dict[str, Any]]:
    """Numbers and names in the sentences of figures that differ: figure, model, name, a, b."""
    differences = table.differences
    a, b = differences.a, differences.b
    for row_a, row_b, column in differences.changes():
        yield {
            **{key: a[key][row_a] for key in ("figure", "model", "name", "rank")},
            "a": a[column][row_a],
            "b": b[column][row_b],
        }
