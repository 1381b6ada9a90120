"""Commands about models of the hub: which commit is used, and its files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()

Name = Annotated[str, typer.Argument(help="The repository, as its lock file is called.")]
CONFIG_HELP = "The run's configuration (YAML), from --directory."
ConfigFile = Annotated[Path, typer.Option("--config", help=CONFIG_HELP)]
Directory = Annotated[Path, typer.Option("--directory", help="Where config's paths count from.")]


@app.command()
def lock(name: Name, config: ConfigFile, directory: Directory = Path(".")) -> None:
    """Write down which commit of a hub model is used from now on, in config/lock/."""
    from sinkscope.hub.job import lock_repository

    lock_repository(name, config, directory)


@app.command()
def download(
    name: Name,
    config: ConfigFile,
    out: Annotated[Path, typer.Option(help="What was downloaded (JSON), below results/hub/.")],
    directory: Directory = Path("."),
) -> None:
    """Download the locked commit of a hub model into the cache (HF_HOME)."""
    from sinkscope.hub.job import download_repository

    download_repository(name, config, directory, out)
