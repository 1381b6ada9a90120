"""Commands for Hub models: lock a commit, and download its files."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from sinkscope.errors import SinkscopeError
from sinkscope.files import write_json
from sinkscope.hub.fetch import fetch, locked
from sinkscope.hub.lock import Lock, repository_of
from sinkscope.options import Directory

app = typer.Typer()

Source = Annotated[str, typer.Argument(help="hub:OWNER/NAME or hub:OWNER/NAME@REVISION")]


@app.command()
def lock(source: Source, directory: Directory = Path(".")) -> None:
    """Record in config/lock/ which commit of a Hub model is used from now on."""
    locked_commit = lock_of(source, directory)
    print(f"{locked_commit.id}: commit {locked_commit.commit}", file=sys.stderr)


@app.command()
def download(
    source: Source,
    out: Annotated[
        Path, typer.Option(help=("The list of downloaded files (JSON), below results/hub/."))
    ],
    directory: Directory = Path("."),
) -> None:
    """Download the locked commit of a hub model into the cache (HF_HOME)."""
    from sinkscope.extract.architecture import read_architecture

    locked_commit = lock_of(source, directory)
    fetch(locked_commit, read_architecture, hashes=True)
    write_json(out, asdict(locked_commit))


def lock_of(source: str, directory: Path) -> Lock:
    """The lock of a source; written if it does not exist."""
    repository = repository_of(source, source)
    if repository is None:
        raise SinkscopeError(f"'{source}' is not a hub model; write hub:OWNER/NAME.")
    return locked(repository, directory)
