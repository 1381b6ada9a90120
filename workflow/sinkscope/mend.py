"""Results that are not whole: cut short by a disk, or by a copy that broke off.

Jobs never leave such files, since what they write gets its name when it is whole; but a file that
has its name counts as finished. Taken away, it is made again, and with it only what depends on it.
What a job leaves that is killed is what it had begun, under a hidden name.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from sinkscope.files import PART, read_json

PARQUET_END = b"PAR1"


def mend(directory: Path) -> list[str]:
    """Remove what is not whole below `directory`/results; a sentence for each."""
    results = directory / "results"
    told = []
    for manifest, reason in broken_manifests(results / "shards", directory):
        manifest.unlink()
        told.append(f"{manifest.relative_to(directory)}: {reason}; it is made again.")
    for output, table in broken_outputs(results).items():
        if output.is_dir():
            shutil.rmtree(output, ignore_errors=True)
        output.unlink(missing_ok=True)
        told.append(f"{table.relative_to(directory)}: is cut short; it is made again.")
    if told:
        # What is missing is made again only where something asks for it.
        (directory / "reports" / "index.html").unlink(missing_ok=True)
    return told


def broken_manifests(shards: Path, directory: Path) -> Iterator[tuple[Path, str]]:
    """Manifests of extraction jobs that cannot be read or name a cell that is not whole. The job
    finds out itself which of its cells it can keep."""
    for path in sorted(shards.glob("*/*.json")):
        try:
            sizes = {entry["cell"]: entry["cell_bytes"] for entry in read_json(path)["cells"]}
        except (ValueError, KeyError, TypeError):
            yield path, "is no whole manifest"
            continue
        for cell, size in sizes.items():
            if size_of(directory / cell) != size:
                yield path, f"its cell {cell} is not whole"
                break


def broken_outputs(results: Path) -> dict[Path, Path]:
    """Output of a job to a table in it that is cut short: the table, or an experiment's folder."""
    found = {}
    for folder in ("experiments", "reduced", "tables"):
        for table in sorted((results / folder).rglob("[!.]*.parquet")):
            if not being_written(table) and not ends_well(table):
                found[table.parent if folder == "experiments" else table] = table
    return found


def being_written(path: Path) -> bool:
    """Whether a job is at work on it, or on the folder that it is in."""
    return any(part.startswith(".") and part.endswith(PART) for part in path.parts)


def sweep(directory: Path) -> None:
    """Remove what killed jobs had begun to write. To be called while no job is at work."""
    for top in ("results", "reports"):
        for path in sorted((directory / top).rglob(f".*{PART}")):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def ends_well(table: Path) -> bool:
    try:
        with table.open("rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - len(PARQUET_END)))
            return stream.read() == PARQUET_END
    except FileNotFoundError:  # a job is at work, and has just replaced it
        return True


def size_of(path: Path) -> int | None:
    try:
        return os.stat(path).st_size
    except OSError:
        return None
