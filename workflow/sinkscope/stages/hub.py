"""Commands for Hub models: lock a commit, and download its files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()

Source = Annotated[str, typer.Argument(help="hub:OWNER/NAME or hub:OWNER/NAME@REVISION")]
Directory = Annotated[Path, typer.Option("--directory", help="The folder of the run.")]


@app.command()
def lock(source: Source, directory: Directory = Path(".")) -> None:
    """Write down which commit of a hub model is used from now on, in config/lock/."""
    from sinkscope.stages.downloads import lock_repository

    lock_repository(source, directory)


@app.command()
def download(
    source: Source,
    out: Annotated[Path, typer.Option(help="What was downloaded (JSON), below results/hub/.")],
    directory: Directory = Path("."),
) -> None:
    """Download the locked commit of a hub model into the cache (HF_HOME)."""
    from sinkscope.stages.downloads import download_repository

    download_repository(source, directory, out)
