"""Stamps: the requests that results were computed from, and the hash of each of their files."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sinkscope.errors import SinkscopeError
from sinkscope.files import read_object
from sinkscope.jobs.request import prefix_of

# Folders with stamps. A name that ends in a digest is the name of a stamp.
FOLDERS = (
    "results/shards/*",
    "results/experiments/*/*/*",
    "results/reduced/*",
    "results/made",
    "results/figures/*",
    "results/sections/*",
    "reports/maps/*",
)


def stamps(directory: Path) -> Iterator[Path]:
    """Every stamp of a run's folder, in the order of the jobs."""
    for pattern in FOLDERS:
        for path in sorted(directory.glob(f"{pattern}/*.json")):
            if prefix_of(path) != path.name:
                yield path


def files_of(stamp: Path) -> dict[str, str]:
    """Path to SHA-256 of the files that a stamp lists."""
    files = read_object(stamp).get("files")
    return files if isinstance(files, dict) else {}


@contextmanager
def in_place(stamp_paths: Sequence[Path]) -> Iterator[None]:
    """Around what reads the results of these stamps. Raises SinkscopeError if one is missing,
    before or after: another run of the folder may have replaced it."""
    check_there(stamp_paths)
    yield
    check_there(stamp_paths)


def check_there(stamp_paths: Sequence[Path]) -> None:
    for stamp in stamp_paths:
        if not stamp.is_file():
            raise SinkscopeError(
                f"{stamp}: this result is not here; it was removed, or another run of this folder "
                "made it anew with other settings; run again."
            )


def discard(directory: Path, path: Path) -> None:
    """Mark the jobs that wrote a damaged file as not done."""
    name = path.relative_to(directory).as_posix() if path.is_absolute() else path.as_posix()
    withdraw(directory, [stamp for stamp in stamps(directory) if name in files_of(stamp)])


def withdraw(directory: Path, stamp_paths: Iterable[Path]) -> None:
    """Remove these stamps, and the stamps of all results that depend on theirs. Snakemake repeats a
    job only if a requested file that depends on it is missing."""
    parts = {stamp: parts_of(stamp) for stamp in stamps(directory)}
    waiting = list(stamp_paths)
    while waiting:
        stamp = waiting.pop()
        stamp.unlink(missing_ok=True)
        digest = stamp.stem.rpartition(".")[2]
        waiting += [other for other in parts if digest in parts[other] and other.is_file()]


def parts_of(stamp: Path) -> list[str]:
    """Digests of the requests whose results a result was computed from."""
    request = read_object(stamp).get("request")
    return request.get("parts", []) if isinstance(request, dict) else []
