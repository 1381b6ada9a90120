"""Which runs are at work in a folder.

Snakemake lets several be, each making other files: parts of a large grid, say. What a killed run
left there must be told from what another is at. A lock of the system tells, since it ends with the
process that holds it. Snakemake's lock files do not: a killed run leaves its own behind, and the
first run that ends removes those of all.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class Presence:
    """This run among those of `directory`, until its process ends."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / ".snakemake" / "sinkscope.lock"
        self._file = -1

    def alone(self) -> bool:
        """Whether no other run is at work; while this one is alone, others wait at `stay`."""
        return self._lock(fcntl.LOCK_EX | fcntl.LOCK_NB)

    def stay(self) -> None:
        """Let others be here too, and let them know of this run."""
        self._lock(fcntl.LOCK_SH)

    def _lock(self, how: int) -> bool:
        if self._file < 0:
            self._path.parent.mkdir(exist_ok=True)
            # For writing too: a network file system asks for it.
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(self._file, how)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks: what Snakemake's own tell must do
            return True
        return True
