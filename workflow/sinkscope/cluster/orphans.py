"""Jobs that a run which was killed has left on a SLURM cluster.

A run that ends in any other way cancels its jobs. What is left goes on writing where the next run
writes, so that run ends them before it starts its own; the cells that they finished are kept.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

from sinkscope.errors import SinkscopeError

PREFIX = "sinkscope"  # jobs are named so, then by their run (workflow/profiles/slurm)
RUN = re.compile(PREFIX + r"_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SLURM_LOGS = ".snakemake/slurm_logs"  # of the executor, in the folder of a run
PATIENCE = 300  # seconds until a cancelled job has left its node


def left_behind(directory: Path) -> list[str]:
    """Ids of the user's jobs, of any run of this workflow, that write below `directory`."""
    listed = _slurm("squeue", "--user", str(os.getuid()), "--noheader", "--format", "%F %j")
    runs: dict[str, set[str]] = {}
    for line in listed.splitlines():
        job, _, name = line.partition(" ")
        if RUN.fullmatch(name):
            runs.setdefault(name, set()).add(job)
    own = [jobs for jobs in runs.values() if _writes_below(directory, jobs)]
    return sorted(set().union(*own))


def _writes_below(directory: Path, jobs: set[str]) -> bool:
    """Whether a run is one of `directory`: all of its jobs have their output in one folder there.

    The folder that a job works in does not tell: it is where snakemake was called.
    """
    for job in sorted(jobs):
        try:
            shown = _slurm("scontrol", "show", "job", "--oneliner", job)
        except SinkscopeError:  # it has just ended, and is forgotten
            continue
        return f" StdOut={directory.resolve() / SLURM_LOGS}/" in shown
    return False


def cancel_left_behind(directory: Path) -> list[str]:
    """Cancel them, and wait until they have ended. To be called while this run is alone in
    `directory` (`sinkscope.presence`), before it submits a job: then they are of no run at work.

    Returns what was cancelled. Raises SinkscopeError where SLURM does not answer, or a job stays.
    """
    found = waiting = left_behind(directory)
    if found:
        _slurm("scancel", *found)
    until = time.monotonic() + PATIENCE
    while waiting:
        if time.monotonic() > until:
            raise SinkscopeError(
                f"jobs {', '.join(waiting)} of an earlier run are still on the cluster after "
                f"scancel and {PATIENCE} s; wait until squeue lists them no more, and run again."
            )
        time.sleep(1)
        waiting = left_behind(directory)
    return found


def _slurm(*command: str) -> str:
    program = command[0]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SinkscopeError(f"{program}: {error}; run this where SLURM answers.") from error
    if done.returncode:
        reason = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
        raise SinkscopeError(f"{program} failed ({reason}); run this where SLURM answers.")
    return done.stdout
