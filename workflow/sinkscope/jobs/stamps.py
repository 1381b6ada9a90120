"""Stamps: what the results of a folder were made from, and the hash of each of their files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sinkscope.files import read_json
from sinkscope.jobs.request import place_of

# Below these, a name that ends in a digest is that of a stamp.
PLACES = (
    "results/shards/*",
    "results/experiments/*/*/*",
    "results/reduced/*",
    "results/made",
    "reports/figures/*",
    "reports/maps/*",
    "reports/sections/*",
)


def stamps(directory: Path) -> Iterator[Path]:
    """Every stamp of a run's folder, in the order of the jobs."""
    for pattern in PLACES:
        for path in sorted(directory.glob(f"{pattern}/*.json")):
            if place_of(path) != path.name:
                yield path


def stated(stamp: Path) -> dict[str, Any]:
    """What a stamp says; nothing where it cannot be read."""
    try:
        found = read_json(stamp)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def files_of(stamp: Path) -> dict[str, str]:
    """Path to sha256 of the files that a stamp answers for."""
    files = stated(stamp).get("files")
    return files if isinstance(files, dict) else {}


def discard(directory: Path, path: Path) -> None:
    """Let the jobs count as not done that answer for a damaged file."""
    name = path.relative_to(directory).as_posix() if path.is_absolute() else path.as_posix()
    withdraw(directory, [stamp for stamp in stamps(directory) if name in files_of(stamp)])


def withdraw(directory: Path, found: Iterable[Path]) -> None:
    """Remove these stamps, and those of all results that were made of theirs: Snakemake makes what
    is missing again only where something that it is asked for is missing too."""
    parts = {stamp: parts_of(stamp) for stamp in stamps(directory)}
    waiting = list(found)
    while waiting:
        stamp = waiting.pop()
        stamp.unlink(missing_ok=True)
        digest = stamp.stem.rpartition(".")[2]
        waiting += [other for other in parts if digest in parts[other] and other.is_file()]


def parts_of(stamp: Path) -> list[str]:
    """Digests of the requests whose results a result was made of."""
    request = stated(stamp).get("request")
    return request.get("parts", []) if isinstance(request, dict) else []
