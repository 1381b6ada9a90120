"""The version of this repository, as results record it."""

from __future__ import annotations

import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def commit(repository: Path) -> str:
    """Commit of the clone, followed by `-dirty` if tracked files differ from it.

    For an installed package, which is not a clone: its version. "unknown" if git cannot be run.
    """
    if not (repository / ".git").exists():  # the package may lie inside another repository
        return package_version()
    command = ["git", "-C", str(repository), "describe", "--always", "--abbrev=40", "--dirty"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return result.stdout.strip()


def package_version() -> str:
    try:
        return f"sinkscope {version('sinkscope')}"
    except PackageNotFoundError:
        return "unknown"
