"""Files that are either whole or not there.

What is being written has a hidden name beside its final one, `.NAME.RANDOM.part`. A process that is
killed leaves that behind; its job takes it away when it runs again (`sinkscope.jobs.door`).
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from sinkscope.errors import PassingError, SinkscopeError

PART = ".part"
FULL = (errno.ENOSPC, errno.EDQUOT)
_noted: ContextVar[list[Path] | None] = ContextVar("noted", default=None)


@contextmanager
def noted() -> Iterator[list[Path]]:
    """The files and folders that are written within the block, as they are finished."""
    paths: list[Path] = []
    token = _noted.set(paths)
    try:
        yield paths
    finally:
        _noted.reset(token)


def _note(path: Path) -> None:
    paths = _noted.get()
    if paths is not None:
        paths.append(path)


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`; moved there when the block ends well, else removed.

    Raises SinkscopeError where the disk is full or the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=PART, dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise _unwritable(path, error) from error
    temporary = Path(name)
    try:
        yield temporary
        share(temporary)
        os.replace(temporary, path)
        _note(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def share(path: Path) -> None:
    """Give a temporary file or folder, which only its owner can read, the usual permissions."""
    umask = os.umask(0)
    os.umask(umask)
    path.chmod((0o777 if path.is_dir() else 0o666) & ~umask)


def _unwritable(path: Path, error: OSError) -> PassingError:
    full = error.errno in FULL
    remedy = "free some disk space" if full else "check the folder's permissions"
    reason = "no space left on the disk" if full else error.strerror or str(error)
    return PassingError(
        f"{path}: cannot be written ({reason}); {remedy} and run again, finished cells are kept."
    )


@contextmanager
def replaced_folder(out: Path) -> Iterator[Path]:
    """A new folder beside `out`; it takes the place of `out` when the block ends well.

    Raises SinkscopeError where the disk is full.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(PART, f".{out.name}.", out.parent) as temporary:
            new, old = Path(temporary) / "new", Path(temporary) / "old"
            new.mkdir()
            yield new
            if out.exists():
                out.rename(old)
            new.rename(out)
            _note(out)
            shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        if error.errno in FULL:
            raise _unwritable(out, error) from error
        raise


def leftovers(folder: Path, names: Iterable[str] | None = None) -> list[Path]:
    """What killed processes had begun in a folder, of these final names or of any. To be called
    only where no other process is at work on these."""
    if not folder.is_dir():
        return []
    found = [path for path in sorted(folder.glob(f".*{PART}")) if path.name.count(".") >= 3]
    kept = None if names is None else set(names)
    return [path for path in found if kept is None or path.name[1:].rsplit(".", 2)[0] in kept]


def remove(path: Path) -> None:
    """Remove a file, or a folder and all that is in it; one that is not there is no error."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    with written(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Strict JSON (no NaN) with a fixed layout, so that equal values are equal bytes."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Raises ValueError for what is no JSON, or nested deeper than Python reads."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError(f"{path}: is nested too deep") from error


def check_braces(path: str, where: str) -> None:
    """Refuse a path of an input of the workflow in which Snakemake would see a wildcard."""
    if re.search(r"\{.*\}", path):
        raise SinkscopeError(
            f"{where}: the path '{path}' has braces, which Snakemake reads as a wildcard; rename "
            "the file or folder."
        )


def sha256_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
