"""The command that compares the tables of two folders of results."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from sinkscope.errors import SinkscopeError, sentences
from sinkscope.options import not_negative

app = typer.Typer()

FOLDER_HELP = "A run's folder (with results/tables), a results folder or a folder of tables"


@app.command()
def diff(
    results_a: Annotated[Path, typer.Argument(help=f"{FOLDER_HELP}: A.")],
    results_b: Annotated[Path, typer.Argument(help="Another such folder: B.")],
    tolerance: Annotated[
        float,
        typer.Option(
            callback=not_negative,
            metavar="T",
            help="Floats are equal where |a - b| <= T (absolute); 0: only where exactly equal.",
        ),
    ] = 0.0,
) -> None:
    """Compare the tables of two folders of results value by value.

    Exit status: 0 where all tables are equal, 1 where any differ, 2 where a folder has no tables
    or a table cannot be read.

    Rows are matched by the columns that identify them, so that neither the order of rows nor a
    missing row matters to the others; rows of tables that Sinkscope does not know are matched by
    position. NaN equals NaN, null equals null, -0.0 equals 0.0. Whole numbers and texts are always
    compared exactly.
    """
    from sinkscope.diff.job import diff_folders

    try:
        differ = diff_folders(results_a, results_b, tolerance)
    except SinkscopeError as error:
        print(sentences(error), file=sys.stderr)
        raise typer.Exit(2) from error
    if differ:
        raise typer.Exit(1)
