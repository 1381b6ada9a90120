"""Heat maps for the report: thumbnails, and data files that a page can load from a disk.

A page opened from a file may not fetch another, but it may load a script. Each data file is
thus one call, `sinkscope.receive(KEY, VALUE)`; VALUE is JSON. Below the model's folder:
  index.json                   list of documents, for the builder of the report (see `entry_of`)
  DOCUMENT/tokens.js           tokens, key classes and the first token of every map cell
  DOCUMENT/LAYER.js, .png      head mean of a layer: matrix, and thumbnail
  DOCUMENT/LAYER-HEAD.js, .png the same of a single head
"""

from __future__ import annotations

import base64
import io
import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sinkscope.charts.palette import heat_index, heat_table
from sinkscope.extract.cell import Cell, read_cell
from sinkscope.files import read_json, replaced_folder, write_json

# Attention is stored in steps of 1 / STEPS.
STEPS = 10_000
# A thumbnail, in pixels: most keys or queries per side, height of the strip above the map, the gap
# between both, and the largest fraction of the width that the first key may lack.
THUMBNAIL_SIDE = 96
STRIP, GAP, FIRST_KEY = 7, 3, 24


def write_maps(
    manifests: Sequence[Path], directory: Path, out: Path, documents: Sequence[str]
) -> None:
    """Write the maps of these documents of one model, in their order. Documents without a cell are
    left out."""
    places = {document: place for place, document in enumerate(documents)}
    entries = [
        entry
        for manifest in manifests
        for entry in read_json(manifest)["cells"]
        if entry["document"] in places
    ]
    entries.sort(key=lambda entry: places[entry["document"]])
    index = []
    with replaced_folder(out) as folder:
        for entry in entries:
            cell = read_cell(directory / entry["cell"], ["map", "head_map"])
            index.append(entry_of(cell))
            for name, data in files_of(cell):
                path = folder / cell.meta["document"] / name
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(data)
        write_json(folder / "index.json", index)


def entry_of(cell: Cell) -> dict[str, Any]:
    """What a page needs to know of a document before it loads a map; layers: those with attention;
    heads: as [layer, head]."""
    return {
        "document": cell.meta["document"],
        "n_tokens": cell.n_tokens,
        "n_cells": cell["map"].shape[1],
        "layers": cell.layers,
        "heads": [[int(part) for part in head.split("/")] for head in cell.meta["heads"]],
    }


def files_of(cell: Cell) -> Iterator[tuple[str, bytes]]:
    """(name, content) of every file of a document."""
    model, document = cell.meta["model"], cell.meta["document"]
    yield "tokens.js", script(f"{model}/{document}/tokens", tokens_of(cell)).encode()
    for name, matrix in named_maps(cell):
        yield f"{name}.js", script(f"{model}/{document}/{name}", packed(matrix)).encode()
        yield f"{name}.png", thumbnail(matrix)


def named_maps(cell: Cell) -> Iterator[tuple[str, np.ndarray]]:
    """('12', head mean of layer 12) of all layers, then ('12-3', head 3 of layer 12)."""
    yield from zip(map(str, cell.layers), cell["map"], strict=True)
    for head, matrix in zip(cell.meta["heads"], cell["head_map"], strict=True):
        yield head.replace("/", "-"), matrix


def tokens_of(cell: Cell) -> dict[str, Any]:
    n_cells = cell["map"].shape[1]
    # Cell c of a block-averaged map holds the tokens from first[c] up to first[c + 1].
    first = [c * cell.n_tokens // n_cells for c in range(n_cells + 1)]
    return {"tokens": cell.meta["tokens"], "classes": cell.meta["classes"], "first": first}


def script(key: str, value: Any) -> str:
    """A call with two JSON arguments; `<` is escaped, so that it may stand inside a page too."""
    arguments = ", ".join(json.dumps(part).replace("<", "\\u003c") for part in (key, value))
    return f"sinkscope.receive({arguments});\n"


def packed(matrix: np.ndarray) -> str:
    """Base64 of the zlib-compressed rows, uint16 little-endian, in steps of 1 / STEPS."""
    steps = np.rint(np.clip(matrix.astype(np.float32), 0, 1) * STEPS).astype("<u2")
    return base64.b64encode(zlib.compress(steps.tobytes())).decode("ascii")


def thumbnail(matrix: np.ndarray) -> bytes:
    """PNG: a strip of what every key receives (mean over queries), a gap, and the map with at most
    THUMBNAIL_SIDE rows; each pixel is the largest value of its block, since the mean would hide a
    sink, which is one column among many. The first key, the most frequent sink, takes at least 1
    / FIRST_KEY of the width. No attention is transparent."""
    rows = matrix.astype(np.float32)
    side = min(len(rows), THUMBNAIL_SIDE)
    starts = np.arange(side) * len(rows) // side
    received = np.maximum.reduceat(rows.mean(0), starts)
    reduced = np.maximum.reduceat(np.maximum.reduceat(rows, starts, 0), starts, 1)
    unit = max(1, THUMBNAIL_SIDE // side)  # pixels per key: strip and gap keep their height
    lines = [np.tile(received, (STRIP, 1)), np.zeros((GAP, side)), reduced.repeat(unit, 0)]
    widths = np.full(side, unit)
    widths[0] = max(unit, side * unit // FIRST_KEY)
    return image(np.concatenate(lines).repeat(widths, 1), clear=True)


def image(matrix: np.ndarray, *, log: bool = False, clear: bool = False) -> bytes:
    """PNG of a matrix, one pixel per entry, in the colours of heat maps. clear: whether no
    attention is transparent."""
    picture = Image.fromarray(heat_index(matrix.astype(np.float32), log=log), mode="P")
    picture.putpalette(heat_table().tobytes())
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True, **({"transparency": 0} if clear else {}))
    return stream.getvalue()
