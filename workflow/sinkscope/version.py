"""Versions, as results record them: of this repository, and of installed packages."""

from __future__ import annotations

import subprocess
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path


def commit(repository: Path) -> str:
    """Commit of the clone, followed by `-dirty` if tracked files differ from it.

    For an installed package, which is not a clone: its version. "unknown" if git cannot be run.
    """
    if not (repository / ".git").exists():  # the package may lie inside another repository
        number = installed("sinkscope")
        return f"sinkscope {number}" if number else "unknown"
    command = ["git", "-C", str(repository), "describe", "--always", "--abbrev=40", "--dirty"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return result.stdout.strip()


def installed(package: str) -> str | None:
    """Version of an installed distribution; None if there is none of that name."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def environment() -> dict[str, str]:
    """Version of every installed distribution, by name."""
    found: dict[str, str] = {}
    for one in distributions():  # the first of a name is the one that is imported
        found.setdefault(one.metadata["Name"], one.version)
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))
