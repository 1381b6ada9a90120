"""Stamps: what the results of a folder were made from, and the hash of each of their files."""

from __future__ import annotations

from collections.abc import Iterator
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


def discard(directory: Path, path: Path) -> list[Path]:
    """Remove the stamps that answer for a damaged file, so that its job counts as not done."""
    name = path.relative_to(directory).as_posix() if path.is_absolute() else path.as_posix()
    found = [stamp for stamp in stamps(directory) if name in files_of(stamp)]
    for stamp in found:
        stamp.unlink(missing_ok=True)
    return found
