"""The files of Hub models, from the Hub's cache (HF_HOME) or downloaded into it. With all files of
the locked commit there, the network is not used."""

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

# Smallest size in bytes of a download that is preceded by a check of the model's configuration.
# Importing the library for the check takes as long as a smaller download.
CHECKED_FROM = 50e6


def resolve(repository: Repository) -> Lock:
    """Ask the Hub for commit and files of the revision. Raises SinkscopeError, with what to do."""
    from huggingface_hub import HfApi

    try:
        info = HfApi().model_info(
            repository.id, revision=repository.revision, files_metadata=True, timeout=30
        )
    except Exception as error:  # whatever the client and the network raise
        raise refusal(repository, error) from error
    sizes = {file.rfilename: int(file.size or 0) for file in info.siblings or []}
    names = needed(sizes)
    if not names or "config.json" not in names:
        raise SinkscopeError(
            f"hub model '{repository.id}': it has no config.json with safetensors or .bin weights; "
            "name another model or revision."
        )
    files = {name: sizes[name] for name in names}
    licence = info.card_data.get("license") if info.card_data else None
    return Lock(repository.id, repository.revision, str(info.sha), files, licence)


def locked(repository: Repository, directory: Path) -> Lock:
    """The lock of a repository; if it does not exist, it is created and written."""
    path = lock_path(directory, repository)
    lock = read_lock(path)
    if lock is None:
        lock = resolve(repository)
        write_json(path, asdict(lock))
    return lock


def in_cache(lock: Lock, name: str) -> Path | None:
    """Path of a file of this commit in the cache, complete or damaged; None if it is not there."""
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(lock.id, name, revision=lock.commit)
    return Path(path) if isinstance(path, str) else None


def cached(lock: Lock, *names: str) -> Path | None:
    """The commit's folder in the cache, if all (or these) files have the right sizes; else None."""
    paths = {name: in_cache(lock, name) for name in names or lock.files}
    for name, path in paths.items():
        if path is None or problem_of(path, lock.files.get(name, 0)) is not None:
            return None
    return next(path.parent for path in paths.values() if path)


def fetch(lock: Lock, check: Check, *, hashes: bool = False) -> Path:
    """The folder of this commit; files that the cache lacks or has damaged are downloaded, or
    resumed.

    check: called with a name for the model and the folder of its configuration, before any large
    download. hashes: also compare the SHA-256 of files in the cache. Raises SinkscopeError, with
    what to do, if a file cannot be downloaded, and any exception of `check`."""
    from huggingface_hub.utils import disable_progress_bars

    folder = cached(lock)
    if folder is not None and not hashes:
        return folder
    if not sys.stderr.isatty():
        disable_progress_bars()  # in a log file they print one line per step
    if folder is None and sum(lock.files.values()) > CHECKED_FROM and "config.json" in lock.files:
        path = bring(lock, "config.json", hashes=hashes)
        check(f"hub model '{lock.id}'", path.parent)
    # The smallest first: a refusal concerns all files of a model, so it comes early.
    for name in sorted(lock.files, key=lambda name: (lock.files[name], name)):
        path = bring(lock, name, hashes=hashes)
    return path.parent


def bring(lock: Lock, name: str, *, hashes: bool) -> Path:
    """Path of one file of a commit in the cache; downloaded if needed. Raises SinkscopeError if it
    cannot be downloaded, or differs in size from its lock."""
    size, path = lock.files[name], in_cache(lock, name)
    if path is None:
        path = download(lock, name, f"{name} ({size / 1e6:,.1f} MB)")
    problem = problem_of(path, size, hashes=hashes)
    if problem is not None:
        path = download(lock, name, f"{problem}; it is downloaded again", damage=problem)
        problem = problem_of(path, size)
    if problem is not None:
        raise SinkscopeError(
            f"hub model '{lock.id}': {problem}, which config/lock says of commit {lock.commit}; "
            "if the commit was edited, delete that lock file and write the commit in the source "
            "(hub:ID@COMMIT), else check the disk of the cache (HF_HOME)."
        )
    return path


def download(lock: Lock, name: str, message: str, *, damage: str = "") -> Path:
    """Download one file. message: for the terminal. damage: problem of the file it replaces."""
    from huggingface_hub import hf_hub_download

    print(f"{lock.id}: {message}", file=sys.stderr, flush=True)
    try:
        return Path(
            hf_hub_download(lock.id, name, revision=lock.commit, force_download=bool(damage))
        )
    except Exception as error:  # whatever the client and the network raise
        problem = refusal(Repository(lock.id, lock.revision), error)
        raise type(problem)(f"{damage}; {problem}" if damage else str(problem)) from error


def problem_of(path: Path, size: int, *, hashes: bool = False) -> str | None:
    """What is wrong with a file of the cache; None if it is intact. size: in bytes; 0 if unknown.
    Large files of the cache have their SHA-256 as their name."""
    n_bytes = path.stat().st_size
    if size and n_bytes != size:
        return f"{path.name} in the cache has {n_bytes:,} bytes instead of {size:,}"
    sha = path.resolve().name
    if hashes and re.fullmatch("[0-9a-f]{64}", sha) and sha256_of(path) != sha:
        return f"{path.name} in the cache has another SHA-256 than on the hub"
    return None


def refusal(repository: Repository, error: Exception) -> SinkscopeError:
    """The error for an exception of the client: what is wrong, what to do. Never a token."""
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
            f"{what}: {constants.ENDPOINT} has no such model, or it is private; correct the id, "
            "or put a token of an account that may read it in the variable HF_TOKEN."
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
    first = next(iter(str(error).strip().splitlines()), "")
    reason = f"{type(error).__name__}: {first[:160]}"
    return PassingError(
        f"{what}: {constants.ENDPOINT} cannot be reached, or broke off ({reason}); run "
        "`snakemake downloads` again on a machine with a network, complete files are kept."
    )
