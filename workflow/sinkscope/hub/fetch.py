"""The files of hub models: in the cache, or downloaded to it.

Where all files of the locked commit are in the hub's cache (HF_HOME), the network is not asked.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sinkscope.errors import PassingError, SinkscopeError
from sinkscope.files import sha256_of, write_json
from sinkscope.hub.lock import Lock, Repository, lock_path, needed, read_lock

Check = Callable[[str, Path], Any]

# Bytes from which a model's configuration is asked first: to import the library that reads it
# takes as long as to download fewer.
CHECKED_FROM = 50e6


def resolve(repository: Repository) -> Lock:
    """Ask the hub which commit the revision is now, and which files it has.

    Raises SinkscopeError with what to do where the hub cannot or will not say.
    """
    from huggingface_hub import HfApi

    try:
        info = HfApi().model_info(
            repository.id, revision=repository.revision, files_metadata=True, timeout=30
        )
    except Exception as error:  # whatever the client and the network raise
        raise refusal(repository, error) from error
    sizes = {file.rfilename: int(file.size or 0) for file in info.siblings or []}
    wanted = needed(sizes)
    if not wanted or "config.json" not in wanted:
        raise SinkscopeError(
            f"hub model '{repository.id}': it has no config.json with safetensors or .bin weights; "
            "name another model or revision."
        )
    files = {name: sizes[name] for name in wanted}
    return Lock(repository.id, repository.revision, str(info.sha), files)


def locked(repository: Repository, directory: Path) -> Lock:
    """The lock of a repository; made now, and kept, where there is none."""
    path = lock_path(directory, repository)
    lock = read_lock(path)
    if lock is None:
        lock = resolve(repository)
        write_json(path, asdict(lock))
    return lock


def in_cache(lock: Lock, name: str) -> Path | None:
    """A file of this commit in the cache, whole or damaged."""
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(lock.id, name, revision=lock.commit)
    return Path(path) if isinstance(path, str) else None


def cached(lock: Lock, *names: str) -> Path | None:
    """The folder of this commit in the cache, if all of its files (or those of these names) are
    there with their sizes."""
    paths = {name: in_cache(lock, name) for name in names or lock.files}
    for name, path in paths.items():
        if path is None or problem_of(path, lock.files.get(name, 0)) is not None:
            return None
    return next(path.parent for path in paths.values() if path)


def fetch(lock: Lock, check: Check, *, hashes: bool = False) -> Path:
    """The folder of this commit; what the cache lacks, or has damaged, is downloaded. check: called
    with a name for the model and the folder of its configuration, before any large download.

    A connection that breaks is taken up where it broke, and files that are complete stay for
    the next try. hashes: read what is in the cache, and compare its SHA-256 too. Raises
    SinkscopeError with what to do where a file cannot be had, and what `check` raises.
    """
    from huggingface_hub.utils import disable_progress_bars

    folder = cached(lock)
    if folder is not None and not hashes:
        return folder
    if not sys.stderr.isatty():
        disable_progress_bars()  # in a log file they are a line for every step
    if folder is None and sum(lock.files.values()) > CHECKED_FROM and "config.json" in lock.files:
        path = bring(lock, "config.json", hashes=hashes)
        check(f"hub model '{lock.id}'", path.parent)
    # The smallest first: what refuses a model refuses all of its files.
    for name in sorted(lock.files, key=lambda name: (lock.files[name], name)):
        path = bring(lock, name, hashes=hashes)
    return path.parent


def bring(lock: Lock, name: str, *, hashes: bool) -> Path:
    """One file of a commit, in the cache. Raises SinkscopeError where it cannot be had, or is not
    as large as its lock says."""
    size, path = lock.files[name], in_cache(lock, name)
    if path is None:
        path = download(lock, name, f"{name} ({size / 1e6:,.1f} MB)")
    problem = problem_of(path, size, hashes=hashes)
    if problem is not None:
        path = download(lock, name, f"{problem}, and is downloaded again", damage=problem)
        problem = problem_of(path, size)
    if problem is not None:
        raise SinkscopeError(
            f"hub model '{lock.id}': {problem}, which config/lock says of commit {lock.commit}; "
            "if the commit was edited, delete that lock file and write the commit in the source "
            "(hub:ID@COMMIT), else check the disk of the cache (HF_HOME)."
        )
    return path


def download(lock: Lock, name: str, message: str, *, damage: str = "") -> Path:
    """message: for the terminal. damage: of a file that is there, and is replaced."""
    from huggingface_hub import hf_hub_download

    print(f"{lock.id}: {message}", file=sys.stderr, flush=True)
    try:
        return Path(
            hf_hub_download(lock.id, name, revision=lock.commit, force_download=bool(damage))
        )
    except Exception as error:  # whatever the client and the network raise
        refused = refusal(Repository(lock.id, lock.revision), error)
        raise type(refused)(f"{damage}; {refused}" if damage else str(refused)) from error


def problem_of(path: Path, size: int, *, hashes: bool = False) -> str | None:
    """What is wrong with a file of the cache; None where nothing is.

    size: in bytes; 0 where it is not known. Large files have their SHA-256 as the name of what
    the link in a snapshot leads to.
    """
    there = path.stat().st_size
    if size and there != size:
        return f"{path.name} in the cache has {there:,} bytes instead of {size:,}"
    sha = path.resolve().name
    if hashes and re.fullmatch("[0-9a-f]{64}", sha) and sha256_of(path) != sha:
        return f"{path.name} in the cache has another SHA-256 than on the hub"
    return None


def refusal(repository: Repository, error: Exception) -> SinkscopeError:
    """The sentence for what the client raised: what is wrong, and what to do. Never a token."""
    from huggingface_hub import constants, errors

    what = f"hub model '{repository.id}'"
    page = f"{constants.ENDPOINT}/{repository.id}"
    if isinstance(error, errors.GatedRepoError):
        return SinkscopeError(
            f"{what}: its owner grants access one by one; accept the conditions on {page}, and "
            "put a token of that account in the variable HF_TOKEN."
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return SinkscopeError(
            f"{what}: there is no such model at {constants.ENDPOINT}, or it is private; correct "
            "the id, or put a token of an account that may read it in the variable HF_TOKEN."
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return SinkscopeError(
            f"{what}: it has no revision '{repository.revision}'; correct it, or delete its lock."
        )
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return SinkscopeError(
            f"{what}: the hub refuses the token in HF_TOKEN; put a valid one there."
        )
    if isinstance(error, OSError) and error.errno and not isinstance(error, ConnectionError):
        return PassingError(
            f"{what}: cannot be written to the cache ({error.strerror}); free space there, or set "
            "the variable HF_HOME to a larger disk."
        )
    return PassingError(
        f"{what}: {constants.ENDPOINT} cannot be reached, or broke off ({_reason(error)}); run "
        "`snakemake downloads` again on a machine with a network, complete files are kept."
    )


def _reason(error: Any) -> str:
    first = next(iter(str(error).strip().splitlines()), "")
    return f"{type(error).__name__}: {first[:160]}"
