"""The command that writes a run as one citable file."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def archive(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.")] = Path("."),
    out: Annotated[Path, typer.Option(help="The archive, a zip file.")] = Path("archive.zip"),
    config: Annotated[
        Path, typer.Option(help="The run's configuration (YAML), counted from its folder.")
    ] = Path("results/config.yaml"),
) -> None:
    """Write report, tables, configuration, documents, lock files and versions of a run as one
    file (a Workflow Run RO-Crate) that a data archive such as Zenodo takes as it is. The run must
    pass `sinkscope check`, and its folder needs a CITATION.cff: title, authors and licence."""
    from sinkscope.archive.job import write_archive

    print(write_archive(run, config, out))
