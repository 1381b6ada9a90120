"""Compare the files of a run with the stamps of its jobs and with the current requests."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sinkscope.config import load, read_config
from sinkscope.errors import SinkscopeError
from sinkscope.files import PART, read_object, remove, sha256_of
from sinkscope.grid import Grid
from sinkscope.jobs.request import Request, changes, prefix_of
from sinkscope.jobs.stamps import files_of, stamps, withdraw
from sinkscope.jobs.wanted import Wanted
from sinkscope.printable import printable

Advance = Callable[[int], None]
# Folders in which every file must be listed by a stamp.
FOLDERS = (
    *("results/cells", "results/experiments", "results/reduced", "results/tables"),
    *("results/figures", "results/sections", "reports"),
)
KINDS = ("damaged", "stale", "unrecorded", "left behind")


@dataclass(frozen=True)
class Problem:
    """kind: damaged, stale, unrecorded or left behind. stamps: those that list a damaged file."""

    kind: str
    path: Path
    reason: str
    stamps: tuple[Path, ...] = ()


def damaged(directory: Path, advance: Advance = lambda n_bytes: None) -> Iterator[Problem]:
    """Files that are missing or not what their job wrote. advance: called with the size of each."""
    stamps_by_file: dict[str, list[Path]] = {}
    hashes_by_file: dict[str, set[str]] = {}
    for stamp in stamps(directory):
        if not isinstance(read_object(stamp).get("request"), dict):
            yield Problem("damaged", stamp.relative_to(directory), "cannot be read", (stamp,))
        for name, sha256 in files_of(stamp).items():
            stamps_by_file.setdefault(name, []).append(stamp)
            hashes_by_file.setdefault(name, set()).add(sha256)
    for name, stamp_paths in stamps_by_file.items():
        path = directory / name
        if not path.is_file():
            yield Problem("damaged", Path(name), "is missing", tuple(stamp_paths))
            continue
        if {sha256_of(path)} != hashes_by_file[name]:
            yield Problem("damaged", Path(name), "is not what its job wrote", tuple(stamp_paths))
        advance(path.stat().st_size)


def stale(wanted: Wanted) -> Iterator[Problem]:
    """Results whose request is not a current one."""
    directory = wanted.directory
    requests = {request.prefix: request for request in wanted.all()}
    for stamp in stamps(directory):
        prefix = stamp.with_name(prefix_of(stamp)).relative_to(directory).as_posix()
        reason = difference(stamp, requests.get(prefix))
        if reason:
            yield Problem("stale", stamp.relative_to(directory), reason)


def difference(stamp: Path, request: Request | None) -> str:
    """Why the request of a result is not the current one; empty if it is."""
    if request is None:
        return "the configuration does not ask for it"
    if stamp.name == Path(request.stamp).name:
        return ""
    before = read_object(stamp).get("request")
    words = changes(before, request.content) if isinstance(before, dict) else []
    return f"computed from other {', '.join(words)}" if words else "computed from other inputs"


def unrecorded(directory: Path) -> Iterator[Problem]:
    """Files that no stamp lists, and unfinished files of killed jobs."""
    known = {name for stamp in stamps(directory) for name in files_of(stamp)}
    known |= {stamp.relative_to(directory).as_posix() for stamp in stamps(directory)}
    for top in FOLDERS:
        for path in sorted((directory / top).rglob("*")):
            name = path.relative_to(directory)
            if any(part.endswith(PART) and part.startswith(".") for part in name.parts):
                if path.name.endswith(PART):
                    yield Problem("left behind", name, "a killed job had begun it")
            elif path.is_file() and name.as_posix() not in known and path.name != "README.md":
                yield Problem("unrecorded", name, "no job of this folder recorded writing it")


def problems_of(wanted: Wanted, advance: Advance = lambda n_bytes: None) -> list[Problem]:
    return [
        *damaged(wanted.directory, advance),
        *stale(wanted),
        *unrecorded(wanted.directory),
    ]


def mend(problems: list[Problem], directory: Path) -> None:
    """Let the next run make damaged files again, and remove unfinished files of killed jobs."""
    for problem in problems:
        if problem.kind == "left behind":
            remove(directory / problem.path)
        withdraw(directory, problem.stamps)


def wanted_of(config: Path, directory: Path) -> Wanted:
    """The requests of the run in a folder. config: its configuration; if there is no such file,
    config/config.yaml. Raises SinkscopeError without results there."""
    if not (directory / "results").is_dir():
        raise SinkscopeError(f"{directory.resolve()}: there are no results here; run snakemake.")
    path = directory / config
    path = path if path.is_file() else directory / "config" / "config.yaml"
    return Wanted(Grid(load(read_config(path), directory)), directory)


def print_check(config: Path, directory: Path, *, repair: bool) -> int:
    """Print the problems; returns the exit status. Raises SinkscopeError without results here."""
    wanted = wanted_of(config, directory)
    problems = problems_of(wanted)
    for problem in problems:
        print(printable(f"{problem.kind}: {problem.path}: {problem.reason}"))
    counts = Counter(one.kind for one in problems)
    words = ", ".join(f"{counts[kind]:,} {kind}" for kind in KINDS if counts[kind])
    words = words or "all files are as their jobs wrote them, and as the configuration asks now."
    n_files = sum(len(files_of(stamp)) for stamp in stamps(directory))
    print(f"{n_files:,} files of {sum(1 for _ in stamps(directory)):,} jobs: {words}")
    if repair:
        mend(problems, directory)
        print("The next run computes the damaged files again.", file=sys.stderr)
        return 0
    return int(bool(counts["damaged"] or counts["stale"]))
