"""Hold the files of a run against what its jobs said of them, and against what is wanted now."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sinkscope.config import load, read_config
from sinkscope.errors import SinkscopeError
from sinkscope.files import PART, remove, sha256_of
from sinkscope.grid import Grid
from sinkscope.jobs.request import Request, changes, place_of
from sinkscope.jobs.stamps import files_of, stamps, stated, withdraw
from sinkscope.jobs.wanted import Wanted
from sinkscope.printable import printable

# What jobs make, each file of which a stamp answers for.
MADE = ("results/cells", "results/experiments", "results/reduced", "results/tables", "reports")


@dataclass(frozen=True)
class Problem:
    """A file, and what is the matter with it. kind: damaged, stale, unrecorded or left behind.
    stamps: those that answer for a damaged file."""

    kind: str
    path: Path
    reason: str
    stamps: tuple[Path, ...] = ()


def damaged(directory: Path) -> Iterator[Problem]:
    """Files that are missing, or whose content is not what their job wrote."""
    answering: dict[str, list[Path]] = {}
    hashes: dict[str, set[str]] = {}
    for stamp in stamps(directory):
        if not isinstance(stated(stamp).get("request"), dict):
            yield Problem("damaged", stamp.relative_to(directory), "cannot be read", (stamp,))
        for name, sha256 in files_of(stamp).items():
            answering.setdefault(name, []).append(stamp)
            hashes.setdefault(name, set()).add(sha256)
    for name, found in answering.items():
        path = directory / name
        if not path.is_file():
            yield Problem("damaged", Path(name), "is missing", tuple(found))
        elif {sha256_of(path)} != hashes[name]:
            yield Problem("damaged", Path(name), "is not what its job wrote", tuple(found))


def stale(wanted: Wanted) -> Iterator[Problem]:
    """Results that were made from something else than what is wanted now."""
    directory = wanted.directory
    requests = {request.place: request for request in wanted.all()}
    for stamp in stamps(directory):
        place = stamp.with_name(place_of(stamp)).relative_to(directory).as_posix()
        reason = difference(stamp, requests.get(place))
        if reason:
            yield Problem("stale", stamp.relative_to(directory), reason)


def difference(stamp: Path, request: Request | None) -> str:
    """Why a result is not what is wanted; empty where it is."""
    if request is None:
        return "the configuration does not ask for it"
    if stamp.name == Path(request.stamp).name:
        return ""
    before = stated(stamp).get("request")
    words = changes(before, request.content) if isinstance(before, dict) else []
    return f"made from other {', '.join(words)}" if words else "made from something else"


def unrecorded(directory: Path) -> Iterator[Problem]:
    """Files that no stamp answers for, and what killed jobs had begun."""
    known = {name for stamp in stamps(directory) for name in files_of(stamp)}
    known |= {stamp.relative_to(directory).as_posix() for stamp in stamps(directory)}
    for top in MADE:
        for path in sorted((directory / top).rglob("*")):
            name = path.relative_to(directory)
            if any(part.endswith(PART) and part.startswith(".") for part in name.parts):
                if path.name.endswith(PART):
                    yield Problem("left behind", name, "a killed job had begun it")
            elif path.is_file() and name.as_posix() not in known and path.name != "README.md":
                yield Problem("unrecorded", name, "no job of this folder says that it wrote it")


def problems(wanted: Wanted) -> list[Problem]:
    return [
        *damaged(wanted.directory),
        *stale(wanted),
        *unrecorded(wanted.directory),
    ]


def mend(found: list[Problem], directory: Path) -> None:
    """Take away the stamps of what is damaged, so that the next run makes it again, and what killed
    jobs had begun."""
    for problem in found:
        if problem.kind == "left behind":
            remove(directory / problem.path)
        withdraw(directory, problem.stamps)


def print_check(config: Path, directory: Path, *, repair: bool) -> int:
    """Print what is found; the exit status. Raises SinkscopeError where there is no run here."""
    if not (directory / "results").is_dir():
        raise SinkscopeError(f"{directory.resolve()}: there are no results here; run snakemake.")
    path = directory / config
    path = path if path.is_file() else directory / "config" / "config.yaml"
    wanted = Wanted(Grid(load(read_config(path), directory)), directory)
    found = problems(wanted)
    for problem in found:
        print(printable(f"{problem.kind}: {problem.path}: {problem.reason}"))
    counts = {kind: sum(one.kind == kind for one in found) for kind in KINDS}
    n_files = sum(len(files_of(stamp)) for stamp in stamps(directory))
    print(f"{n_files:,} files of {sum(1 for _ in stamps(directory)):,} jobs: {in_words(counts)}")
    if repair:
        mend(found, directory)
        print("The next run makes again what was damaged.", file=sys.stderr)
        return 0
    return int(bool(counts["damaged"] or counts["stale"]))


KINDS = ("damaged", "stale", "unrecorded", "left behind")


def in_words(counts: dict[str, int]) -> str:
    words = [f"{count:,} {kind}" for kind, count in counts.items() if count]
    return ", ".join(words) if words else "all as their jobs wrote them, and as is wanted now."
