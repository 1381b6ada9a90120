"""The files of hub models: in the cache, or downloaded to it.

Where all files of the locked commit are in the hub's cache (HF_HOME), the network is not asked.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sinkscope.errors import PassingError, SinkscopeError
from sinkscope.files import write_json
from sinkscope.hub.lock import Lock, Repository, lock_path, needed, read_lock


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


def cached(lock: Lock) -> Path | None:
    """The folder of this commit in the cache, if all of its files are there."""
    from huggingface_hub import try_to_load_from_cache

    found = [try_to_load_from_cache(lock.id, name, revision=lock.commit) for name in lock.files]
    paths = [Path(path) for path in found if isinstance(path, str)]
    return paths[0].parent if len(paths) == len(lock.files) else None


def fetch(lock: Lock) -> Path:
    """The folder of this commit; what the cache lacks is downloaded.

    A connection that breaks is taken up where it broke, and files that are complete stay for
    the next try. Raises SinkscopeError with what to do where a file cannot be had.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils import disable_progress_bars

    folder = cached(lock)
    if folder is not None:
        return folder
    repository = Repository(lock.id, lock.revision)
    if not sys.stderr.isatty():
        disable_progress_bars()  # in a log file they are a line for every step
    # The smallest first: what refuses a model refuses all of its files.
    for name in sorted(lock.files, key=lambda name: (lock.files[name], name)):
        size = f"{lock.files[name] / 1e6:,.1f} MB"
        print(f"{lock.id}: {name} ({size})", file=sys.stderr, flush=True)
        try:
            path = hf_hub_download(lock.id, name, revision=lock.commit)
        except Exception as error:  # whatever the client and the network raise
            raise refusal(repository, error) from error
    return Path(path).parent


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
