"""A cell, the statistics of one model on one document, and its file.

Its arrays are the statistics declared in `sinkscope.statistics`; docs/reference/tables.md lists
them. Of their axes, `key_set` is KEY_SETS, `width` LOCAL_WIDTHS, and `cell` the cells of a map:
tokens, or for long documents map_cells blocks of them; `coarse` those of a coarse map
(extract.coarse). NaN: no query sees the key. The entries of `layer` are the layers with attention:
in hybrid models, not all. `meta` is JSON: model, document, tokens, classes, n_tokens_full, window,
sink_rule, is_causal, layers (the model's numbers of these layers), heads, gaps (characters before
each token that belong to no token; only in cells with maps), path (backend that reduced the
attention: triton, torch, or both), audit (as audit.Audited), fingerprint, sha256 (of the arrays).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from sinkscope.errors import DamagedError, SinkscopeError
from sinkscope.files import written


@dataclass(frozen=True)
class Cell:
    meta: dict[str, Any]
    arrays: dict[str, np.ndarray]

    @property
    def n_tokens(self) -> int:
        return len(self.meta["tokens"])

    @property
    def layers(self) -> list[int]:
        """The model's number of each entry of the axis `layer`."""
        return self.meta["layers"]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]


def cell_path(results: Path, model: str, document: str) -> Path:
    return results / "cells" / model / f"{document}.safetensors"


def parts_folder(results: Path, model: str, shard: str) -> Path:
    """Folder of the files that hold the summaries of a shard's documents."""
    return results / "cells" / model / shard


def write_cell(path: Path, cell: Cell) -> str:
    """Returns the SHA-256 of the file."""
    arrays = {name: np.ascontiguousarray(array) for name, array in cell.arrays.items()}
    meta = cell.meta | {"sha256": digest(arrays)}
    with written(path) as temporary:
        # One string, since safetensors keeps several in no fixed order.
        data = save(arrays, metadata={"cell": json.dumps(meta, allow_nan=False)})
        # Written by Python: a full disk is then an OSError, which `written` can name.
        temporary.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def read_cell(path: Path, names: list[str] | None = None) -> Cell:
    """Read a cell, or only some of its arrays. Raises SinkscopeError for an unreadable file."""
    with open_cell(path) as (meta, stored):
        keys = [name for name in stored if names is None or name in names]
        return Cell(meta, {name: stored[name].whole() for name in keys})


@dataclass(frozen=True)
class Stored:
    """An array of an open file, of which only what is asked for is read."""

    file: Any
    name: str

    def whole(self) -> np.ndarray:
        array: np.ndarray = self.file.get_tensor(self.name)
        return array

    def __getitem__(self, rows: slice) -> np.ndarray:
        """The entries from start to stop of the first axis."""
        if rows.start == rows.stop:  # safetensors refuses this at the end of an array
            return self.whole()[:0]
        array: np.ndarray = self.file.get_slice(self.name)[rows]
        return array


@contextmanager
def open_cell(path: Path) -> Iterator[tuple[dict[str, Any], dict[str, Stored]]]:
    """`meta` of a cell and its arrays, which can be read within the block. Raises SinkscopeError
    for an unreadable file."""
    if not path.is_file():
        raise SinkscopeError(f"{path}: does not exist; run its job first.")
    try:
        with safe_open(path, framework="numpy") as file:
            meta = json.loads((file.metadata() or {})["cell"])
            yield meta, {name: Stored(file, name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise DamagedError(path, f"is not a complete cell ({error})") from error


def digest(arrays: Mapping[str, np.ndarray]) -> str:
    """Hash of the names, types, shapes and values of the arrays, which detects later changes."""
    total = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        total.update(f"{name} {array.dtype} {array.shape} ".encode())
        total.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)  # without a copy
    return total.hexdigest()


def fingerprint_of(path: Path) -> str | None:
    """Fingerprint of the finished cell at `path`; None without one, or if it was changed."""
    if not path.is_file():
        return None
    try:
        cell = read_cell(path)
    except SinkscopeError:
        return None
    is_whole = cell.meta.get("sha256") == digest(cell.arrays)
    return str(cell.meta.get("fingerprint")) if is_whole else None
