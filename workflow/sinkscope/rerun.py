"""After a failed run: the command that reports what has finished."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from sinkscope.grid import Grid, finished_only


def partial_command(grid: Grid, snakefile: str, directory: Path) -> str | None:
    """Shell command that builds the report from finished jobs; None where there is none yet,
    or where such a report is what has failed."""
    if grid.config.raw["partial"] or not finished_only(grid, directory):
        return None
    command = [
        *(sys.executable, "-m", "snakemake", "--snakefile", snakefile),
        *("--directory", str(directory), "--configfile", "results/config.yaml"),
        # The failed run still holds the lock of the folder, and does nothing more in it.
        *("--config", "partial=True", "--nolock", "--cores", "1", "--quiet"),
        # Its failures are of this run, which lists them.
        "--no-hooks",
        *("--executor", "local"),
    ]
    return shlex.join(command)
