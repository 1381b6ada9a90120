"""Exclusive GPUs for each job on a host.

Neither a shell nor Snakemake assigns GPUs to jobs that start together. A job whose device is `cuda`
therefore takes GPUs that no other job holds, of those in CUDA_VISIBLE_DEVICES if that is set, and
holds them by a lock on a file until the process ends. A job whose device is `cuda:0` shares it.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from sinkscope.config import ModelRow
from sinkscope.errors import SinkscopeError
from sinkscope.extract.converted import cache_folder

VISIBLE = "CUDA_VISIBLE_DEVICES"
KERNELS = "TRITON_CACHE_DIR"
PAUSE = 1.0  # seconds between two attempts to get a free GPU


def share_kernels(row: ModelRow, directory: Path) -> None:
    """Let the jobs of all runs keep the kernels that Triton compiles in one folder, so that the
    first one compiles for the others: in the cache for weights (SINKSCOPE_CACHE), or below results/
    where that cannot be written. Another folder that the user has set is left as it is."""
    if not row.device.startswith("cuda") or KERNELS in os.environ:
        return
    folder = (directory / "results" / "triton").absolute()
    with suppress(OSError, SinkscopeError):
        wanted = cache_folder() / "triton"
        wanted.mkdir(parents=True, exist_ok=True)
        if os.access(wanted, os.W_OK):
            folder = wanted.absolute()
    os.environ[KERNELS] = str(folder)


@contextmanager
def exclusive_gpus(row: ModelRow) -> Iterator[None]:
    """Within the block, CUDA (if it was not used before) sees only exclusive GPUs, as many as the
    row's n_gpus. Waits for them. Does nothing if the host has too few GPUs or no nvidia-smi:
    loading the model reports that."""
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
    """UUIDs of the GPUs that this process may use; CUDA is not initialised."""
    try:
        query = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
        output = subprocess.run(query, capture_output=True, text=True, check=True, timeout=120)
    except (OSError, subprocess.SubprocessError):
        return []
    uuids = output.stdout.split()
    setting = os.environ.get(VISIBLE)
    if setting is None:
        return uuids
    # Numbers are nvidia-smi's indices; other names (a part of a GPU) are kept as they are.
    names = [name.strip() for name in setting.split(",") if name.strip()]
    if any(name.isdigit() and int(name) >= len(uuids) for name in names):
        return []
    return [uuids[int(name)] if name.isdigit() else name for name in names]


@contextmanager
def claimed(candidates: Sequence[str], n: int, who: str) -> Iterator[list[str]]:
    """n of the candidates that no other process holds, held until the block ends."""
    has_reported = False
    while True:
        with ExitStack() as locks:
            names: list[str] = []
            for name in candidates:
                if len(names) < n and locks.enter_context(_lock(name)):
                    names.append(name)
            if len(names) == n:
                yield names
                return
        if not has_reported:
            print(f"{who}: waiting for a GPU that no other job has", file=sys.stderr, flush=True)
            has_reported = True
        time.sleep(PAUSE)


@contextmanager
def _lock(name: str) -> Iterator[bool]:
    """Whether this process now holds the GPU; the system releases the lock with the process."""
    path = Path(tempfile.gettempdir()) / f"sinkscope-{name.replace('/', '-')}.lock"
    # Opened for reading only, which is enough for a lock, also on another user's file. Links are
    # not followed.
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
