"""The command `sinkscope init`, which writes a project."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="The project's folder; created if needed.")],
) -> None:
    """Write a project of your own: configuration, two models, two documents, a Snakefile."""
    from sinkscope.init.write import write_project

    for path in write_project(folder):
        typer.echo(path)
    typer.echo(
        f"\nNext: cd {shlex.quote(str(folder))}, then `snakemake --dry-run` and `snakemake`."
    )
