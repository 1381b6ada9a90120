"""Which version of this repository made a result."""

from __future__ import annotations

import subprocess
from pathlib import Path


def commit(repository: Path) -> str:
    """Commit of the clone, with `-dirty` after it where tracked files differ from it.

    "unknown" where the folder is no clone, or git is not there to ask.
    """
    command = ["git", "-C", str(repository), "describe", "--always", "--abbrev=40", "--dirty"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()
