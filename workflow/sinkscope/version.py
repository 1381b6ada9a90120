"""Which version of this repository made a result."""

from __future__ import annotations

import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def commit(repository: Path) -> str:
    """Commit of the clone, with `-dirty` after it where tracked files differ from it.

    Of an installed package, which is no clone, its version; "unknown" where git is not there to
    ask.
    """
    if not (repository / ".git").exists():  # another repository may have it within
        return package_version()
    command = ["git", "-C", str(repository), "describe", "--always", "--abbrev=40", "--dirty"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


def package_version() -> str:
    try:
        return f"sinkscope {version('sinkscope')}"
    except PackageNotFoundError:
        return "unknown"
