"""Two jobs of the workflow: lock a hub model, download it."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

from sinkscope.config import read_config, read_models
from sinkscope.errors import SinkscopeError
from sinkscope.files import write_json
from sinkscope.hub.fetch import fetch, locked
from sinkscope.hub.lock import Repository, repository_of
from sinkscope.schema import checked


def find_repository(name: str, config: Path, directory: Path) -> Repository:
    """The repository of that name among the sources of the table of models."""
    rows = read_models(checked(read_config(directory / config), "config", "config"), directory)
    for row in rows:
        repository = repository_of(row.model, row.source)
        if repository is not None and repository.name == name:
            return repository
    raise SinkscopeError(f"no row of the table of models has the hub model '{name}'.")


def manifest_path(directory: Path, repository: Repository) -> Path:
    """What a download leaves behind: the lock of what is in the cache."""
    return directory / "results" / "hub" / f"{repository.name}.json"


def lock_repository(name: str, config: Path, directory: Path) -> None:
    """Make the lock file of a repository; one that is there already is kept."""
    repository = find_repository(name, config, directory)
    lock = locked(repository, directory)
    print(f"{lock.id}: commit {lock.commit}", file=sys.stderr)


def download_repository(name: str, config: Path, directory: Path, out: Path) -> None:
    """Bring a locked repository into the cache, then say so in `out`."""
    repository = find_repository(name, config, directory)
    lock = locked(repository, directory)
    fetch(lock, hashes=True)
    write_json(out, asdict(lock))
