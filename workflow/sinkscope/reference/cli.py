"""The command `sinkscope describe`: the reference of the tables' columns."""

from __future__ import annotations

from typing import Annotated

import typer

from sinkscope.errors import SinkscopeError

app = typer.Typer()


@app.command()
def describe(
    name: Annotated[
        str | None, typer.Argument(help="A table; without it, all tables are listed.")
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="All tables and cells, as docs/reference/tables.md.")
    ] = False,
) -> None:
    """Print the meaning of the rows and columns of a table, with units."""
    from rich.console import Console
    from rich.table import Table as Printed

    from sinkscope.catalogue import all_tables
    from sinkscope.declarations.registry import statistics
    from sinkscope.reference.tables import page

    tables = all_tables()
    if markdown:
        print(page(tables, statistics()), end="")
        return
    if name is not None and name not in tables:
        raise SinkscopeError(f"table '{name}' does not exist; tables are {', '.join(tables)}.")
    printed = Printed(box=None, padding=(0, 2, 0, 0))
    heads: tuple[str, ...] = ("table", "rows")
    rows: list[tuple[str, ...]] = [(table, one.rows) for table, one in tables.items()]
    if name is not None:
        columns = tables[name].columns
        heads = ("column", "type", "unit", "meaning")
        rows = [(c, one.type, one.unit, one.meaning) for c, one in columns.items()]
    for head in heads:
        printed.add_column(head, overflow="fold", no_wrap=head in ("table", "column", "type"))
    for row in rows:
        printed.add_row(*row)
    console = Console(highlight=False, markup=False)
    if name is not None:
        console.print(f"{name}: {tables[name].rows}\n")
    console.print(printed)
