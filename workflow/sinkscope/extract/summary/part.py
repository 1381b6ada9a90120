"""A part: the summaries of some documents of a shard in one file, which is that of a cell.

Its arrays are those of the summaries, flattened and joined in the order of the documents; integers
take the smallest type that holds them. `shapes` [document, axis] has the lengths of all axes of all
arrays, in the order of `meta["n_axes"]`; arrays that are NaN throughout are not in the file, but in
`meta["unknown"]`. `tokens` and `classes` are places in the lists of `meta`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sinkscope.declarations.registry import statistics
from sinkscope.errors import DamagedError
from sinkscope.extract.cell import Cell, read_cell
from sinkscope.extract.summary.arrays import widened
from sinkscope.extract.summary.of_cell import summary_of
from sinkscope.files import sha256_of

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


def is_part(cell: Cell) -> bool:
    return "n_axes" in cell.meta


def split(part: Cell) -> Iterator[Cell]:
    """The summaries of a part."""
    arrays = {name: widened(values) for name, values in part.arrays.items()}
    n_axes: dict[str, int] = part.meta["n_axes"]
    ends = np.cumsum(list(n_axes.values()))
    starts = dict.fromkeys((*n_axes, "tokens"), 0)
    shared = {k: v for k, v in part.meta.items() if k not in LAYOUT}
    texts = {key: np.array(part.meta[key], dtype=object)[arrays[key]] for key in TEXTS}
    for i, lengths in enumerate(arrays["shapes"]):
        of_document = {}
        for (name, n), end in zip(n_axes.items(), ends, strict=True):
            shape = lengths[end - n : end]
            if name in part.meta["unknown"]:
                of_document[name] = np.full(shape, np.nan, np.float32)
                continue
            start, starts[name] = starts[name], starts[name] + int(shape.prod())
            of_document[name] = arrays[name][start : starts[name]].reshape(shape)
        start = starts["tokens"]
        stop = starts["tokens"] = start + len(of_document["n_max"])
        meta = shared | {key: part.meta[key][i] for key in OF_DOCUMENT}
        meta |= {key: of_all[start:stop].tolist() for key, of_all in texts.items()}
        yield Cell(meta, of_document)


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
