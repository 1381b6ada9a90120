"""The summaries of documents, from the files that a manifest names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sinkscope.declarations.registry import statistics
from sinkscope.errors import DamagedError
from sinkscope.extract.cell import Cell, read_cell
from sinkscope.extract.summary.of_cell import summary_of
from sinkscope.extract.summary.part import is_part, split
from sinkscope.files import sha256_of


def summaries(
    entries: Sequence[Mapping[str, Any]], directory: Path, tie_tolerance: float
) -> Iterator[Cell]:
    """The summary of each entry of a manifest, in their order. Each file is read once.

    Raises DamagedError for a file that is not what its job wrote.
    """
    of_parts: dict[str, dict[str, Cell]] = {}
    for entry in entries:
        name = entry["cell"]
        if name not in of_parts:
            cell = read_checked(name, entry["cell_sha256"], directory)
            if not is_part(cell):
                yield summary_of(cell, tie_tolerance)
                continue
            of_parts[name] = {one.meta["document"]: one for one in split(cell)}
        yield of_parts[name].pop(entry["document"])


def read_checked(name: str, sha256: str, directory: Path) -> Cell:
    """A part, or a cell without its maps, which are most of its bytes and in no table."""
    path = directory / name
    if not path.is_file() or sha256_of(path) != sha256:
        raise DamagedError(Path(name), "is missing, or not what its job wrote")
    if is_part(read_cell(path, [])):
        return read_cell(path)
    return read_cell(path, [one.name for one in statistics() if "cell" not in one.axes])
