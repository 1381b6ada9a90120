"""A part: the summaries of some documents of a shard in one file, which is that of a cell.

Its arrays are those of the summaries, flattened and joined in the order of the documents; integers
take the smallest type that holds them. `shapes` [document, axis] has the lengths of all axes of all
arrays, in the order of `meta["n_axes"]`; arrays that are NaN throughout are not in the file, but in
`meta["unknown"]`. `tokens` and `classes` are places in the lists of `meta`.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sinkscope.declarations.registry import statistics
from sinkscope.errors import DamagedError
from sinkscope.extract.cell import Cell, Stored, open_cell
from sinkscope.extract.summary.arrays import widened
from sinkscope.extract.summary.of_cell import summary_of
from sinkscope.files import sha256_of

Entry = Mapping[str, Any]  # of a manifest

TEXTS = ("tokens", "classes")
# Of meta: what differs between documents.
OF_DOCUMENT = ("document", "n_tokens_full", "is_causal", "path", "audit")
LAYOUT = (*OF_DOCUMENT, *TEXTS, "n_axes", "unknown")


def joined(cells: Sequence[Cell]) -> Cell:
    """One or more summaries of a model as one cell."""
    first = cells[0]
    arrays = {name: np.concatenate([cell[name].ravel() for cell in cells]) for name in first.arrays}
    # Such as virtual_sink, where no layer has one.
    floats = {name: values for name, values in arrays.items() if values.dtype == np.float32}
    unknown = [name for name, values in floats.items() if np.isnan(values).all()]
    arrays = {name: values for name, values in arrays.items() if name not in unknown}
    arrays["shapes"] = np.array(
        [[n for values in cell.arrays.values() for n in values.shape] for cell in cells]
    )
    meta = {key: value for key, value in first.meta.items() if key not in (*OF_DOCUMENT, *TEXTS)}
    meta["n_axes"] = {name: values.ndim for name, values in first.arrays.items()}
    meta["unknown"] = unknown
    meta |= {key: [cell.meta[key] for cell in cells] for key in OF_DOCUMENT}
    for key in TEXTS:
        texts = [text for cell in cells for text in cell.meta[key]]
        meta[key] = sorted(set(texts))
        place = {text: i for i, text in enumerate(meta[key])}
        arrays[key] = np.array([place[text] for text in texts])
    return Cell(meta, {name: smallest(values) for name, values in arrays.items()})


def smallest(values: np.ndarray) -> np.ndarray:
    """Integers, none below 0, in the smallest type that holds them; other values as they are."""
    if values.dtype.kind not in "iu":
        return values
    return values.astype(np.min_scalar_type(int(values.max(initial=0))))


def is_part(meta: Mapping[str, Any]) -> bool:
    return "n_axes" in meta


def split(
    meta: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray | Stored],
    wanted: Container[str] | None = None,
) -> Iterator[Cell]:
    """The summaries of a part, or of the wanted documents of it: of arrays in a file, no others are
    read."""
    shapes = arrays["shapes"][0 : len(meta["document"])].astype(np.int64)
    n_axes: dict[str, int] = meta["n_axes"]
    ends = dict(zip(n_axes, np.cumsum(list(n_axes.values())), strict=True))
    shape_of = {name: shapes[:, ends[name] - n : ends[name]] for name, n in n_axes.items()}
    stops = {name: np.cumsum(shape.prod(1)) for name, shape in shape_of.items()}
    stops |= dict.fromkeys(TEXTS, stops["n_max"])
    shared = {key: value for key, value in meta.items() if key not in LAYOUT}

    def of_document(name: str, i: int) -> np.ndarray:
        start = stops[name][i - 1] if i else 0
        return widened(arrays[name][int(start) : int(stops[name][i])])

    for i, document in enumerate(meta["document"]):
        if wanted is not None and document not in wanted:
            continue
        values = {
            name: np.full(shape[i], np.nan, np.float32)
            if name in meta["unknown"]
            else of_document(name, i).reshape(shape[i])
            for name, shape in shape_of.items()
        }
        texts = {key: [meta[key][place] for place in of_document(key, i)] for key in TEXTS}
        yield Cell(shared | {key: meta[key][i] for key in OF_DOCUMENT} | texts, values)


class StoredSummaries:
    """Reads summaries a few documents at a time, in any order. The documents of a part may be far
    apart in the order of their names, so a part is opened again for each batch, and only what is
    wanted of it is read; its hash is compared once."""

    def __init__(self, directory: Path, tie_tolerance: float) -> None:
        self._directory, self._tie_tolerance = directory, tie_tolerance
        self._compared: set[str] = set()

    def __call__(self, entries: Sequence[Entry]) -> list[Cell]:
        """The summary of each entry of a manifest, in their order. Raises DamagedError for a file
        that is not what its job wrote."""
        of_file: dict[str, list[Entry]] = {}
        for entry in entries:
            of_file.setdefault(entry["cell"], []).append(entry)
        cells = {
            cell.meta["document"]: cell for some in of_file.values() for cell in self._read(some)
        }
        return [cells[entry["document"]] for entry in entries]

    def _read(self, entries: Sequence[Entry]) -> Iterator[Cell]:
        """The summaries of entries that share a file."""
        name, sha256 = entries[0]["cell"], entries[0]["cell_sha256"]
        path = self._directory / name
        if name not in self._compared:
            if not path.is_file() or sha256_of(path) != sha256:
                raise DamagedError(Path(name), "is missing, or not what its job wrote")
            self._compared.add(name)
        with open_cell(path) as (meta, stored):
            if is_part(meta):
                yield from split(meta, stored, {entry["document"] for entry in entries})
                return
            # Without maps, which are most of a cell's bytes and in no table.
            names = [one.name for one in statistics() if "cell" not in one.axes]
            arrays = {name: stored[name].whole() for name in names if name in stored}
            yield summary_of(Cell(meta, arrays), self._tie_tolerance)
