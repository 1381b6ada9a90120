"""Atomic files: a file is either complete or absent. Until it is complete it is named
`.NAME.RANDOM.part`; what a killed process left is removed when its job runs again
(`jobs.execution`)."""

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
    """The list of files and folders written within the block, each added when it is complete."""
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
    """A temporary path beside `path`; it is moved to `path` if the block succeeds, else removed.

    Raises SinkscopeError if the disk is full or the folder cannot be written.
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
    """A new folder that replaces `out` if the block succeeds. Raises SinkscopeError if the disk is
    full."""
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
    """Unfinished files of killed processes in a folder, for these final names or for all names.
    Call it only if no other process works on these files."""
    paths = [path for path in sorted(folder.glob(f".*{PART}")) if path.name.count(".") >= 3]
    if names is None:
        return paths
    final_names = set(names)
    return [path for path in paths if path.name[1:].rsplit(".", 2)[0] in final_names]


def remove(path: Path) -> None:
    """Remove a file, or a folder with its contents. A missing path is not an error."""
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
    """The value of a JSON file. Raises ValueError if it is not JSON, or is nested too deep."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError(f"{path}: is nested too deep") from error


def read_object(path: Path) -> dict[str, Any]:
    """The object of a JSON file; empty if it cannot be read."""
    try:
        content = read_json(path)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def check_braces(path: str, where: str) -> None:
    """Refuse an input path that Snakemake would read as a pattern with a wildcard."""
    if re.search(r"\{.*\}", path):
        raise SinkscopeError(
            f"{where}: the path '{path}' has braces, which Snakemake reads as a wildcard; rename "
            "the file or folder."
        )


def sha256_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
