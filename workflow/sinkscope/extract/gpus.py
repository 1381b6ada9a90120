"""A GPU of its own for every job on a host.

Neither a shell nor Snakemake tells jobs that start together which GPU is whose: all would take the
first. So a job whose device is `cuda` takes GPUs that no other has, and holds them by a lock on a
file until it ends, however it ends. Where a scheduler or the user shows it only some
(CUDA_VISIBLE_DEVICES), it takes one of these. A job whose device is `cuda:0` asks for that one,
and shares it with whoever is there.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sinkscope.config import ModelRow

VISIBLE = "CUDA_VISIBLE_DEVICES"
PAUSE = 1.0  # seconds between two looks for a free GPU


@contextmanager
def own_gpus(row: ModelRow) -> Iterator[None]:
    """Within the block, CUDA, if it was not used before, shows only GPUs of the process's own, as
    many as the row asks for. Waits for them. Does nothing where the host has too few, or no tool
    that lists them: loading the model says so."""
    candidates = visible_gpus() if row.device == "cuda" else []
    if len(candidates) < row.n_gpus:
        yield
        return
    before = os.environ.get(VISIBLE)
    with claimed(candidates, row.n_gpus, f"model '{row.model}'") as names:
        os.environ[VISIBLE] = ",".join(names)
        try:
            yield
        finally:
            if before is None:
                del os.environ[VISIBLE]
            else:
                os.environ[VISIBLE] = before


def visible_gpus() -> list[str]:
    """Names (UUIDs) of the GPUs that this process may use; CUDA is not touched."""
    try:
        query = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
        listed = subprocess.run(query, capture_output=True, text=True, check=True, timeout=120)
    except (OSError, subprocess.SubprocessError):
        return []
    there = listed.stdout.split()
    shown = os.environ.get(VISIBLE)
    if shown is None:
        return there
    # Numbers count as nvidia-smi does; what else is named there (a part of a GPU) stays as it is.
    wanted = [name.strip() for name in shown.split(",") if name.strip()]
    if any(name.isdigit() and int(name) >= len(there) for name in wanted):
        return []
    return [there[int(name)] if name.isdigit() else name for name in wanted]


@contextmanager
def claimed(candidates: Sequence[str], n: int, who: str) -> Iterator[list[str]]:
    """n of the candidates that no other process has, held until the block ends."""
    told = False
    while True:
        with ExitStack() as held:
            names: list[str] = []
            for name in candidates:
                if len(names) < n and held.enter_context(_lock(name)):
                    names.append(name)
            if len(names) == n:
                yield names
                return
        if not told:
            print(f"{who}: waiting for a GPU that no other job has", file=sys.stderr, flush=True)
            told = True
        time.sleep(PAUSE)


@contextmanager
def _lock(name: str) -> Iterator[bool]:
    """Whether the GPU of that name is now this process's. The system ends the lock with it."""
    path = Path(tempfile.gettempdir()) / f"sinkscope-{name.replace('/', '-')}.lock"
    # Another user's file is opened for reading, which is enough for a lock; no link is followed.
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(file)
