"""Two jobs of the workflow: lock a hub model, download it."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

from sinkscope.errors import SinkscopeError
from sinkscope.extract.architecture import read_architecture
from sinkscope.files import write_json
from sinkscope.hub.fetch import fetch, locked
from sinkscope.hub.lock import Repository, repository_of


def find_repository(source: str) -> Repository:
    repository = repository_of(source, source)
    if repository is None:
        raise SinkscopeError(f"'{source}' is not a hub model; write hub:OWNER/NAME.")
    return repository


def lock_repository(source: str, directory: Path) -> None:
    """Write the lock file of a repository, unless it exists already."""
    lock = locked(find_repository(source), directory)
    print(f"{lock.id}: commit {lock.commit}", file=sys.stderr)


def download_repository(source: str, directory: Path, out: Path) -> None:
    """Download a locked repository into the cache, then write its lock to `out`."""
    lock = locked(find_repository(source), directory)
    fetch(lock, read_architecture, hashes=True)
    write_json(out, asdict(lock))
