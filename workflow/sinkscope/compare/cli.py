"""The command that writes a page of two runs."""

from pathlib import Path
from typing import Annotated

import typer

from sinkscope.files import write_text

app = typer.Typer()

FOLDER_HELP = "A run's folder (with results/tables), a results folder or a folder of tables"


@app.command()
def compare(
    run_a: Annotated[Path, typer.Argument(help=f"{FOLDER_HELP}: A.")],
    run_b: Annotated[Path, typer.Argument(help="Another such folder: B.")],
    out: Annotated[Path, typer.Option(help="The page (HTML); it needs no other file.")] = Path(
        "compare.html"
    ),
) -> None:
    """Write a page with the changes between two runs, table by table, and whether they exceed the
    variation between documents. `sinkscope diff` prints whether tables are equal."""
    from sinkscope.compare.job import compare_runs, page

    compared = compare_runs(run_a, run_b)
    write_text(out, page(compared))
    n_beyond = sum(table.n_beyond for table in compared.tables)
    n_changed = sum(table.changes.height for table in compared.tables)
    print(
        f"{out}: {n_changed:,} values changed, {n_beyond:,} beyond the variation between documents."
    )
