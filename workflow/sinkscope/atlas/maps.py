"""Heat maps for the report, in data files that a page can load from a disk.

A page opened from a file may not fetch another, but it may load a script. The data file of a
document is thus one call, `sinkscope.receive("MODEL/DOCUMENT", VALUE)`; VALUE is JSON, see
`data_of`. Below the model's folder:

index.json          list of documents, for the report (see `entry_of`)

DOCUMENT.js         tokens, the attention that every token receives, and the maps of all layers

heads/DOCUMENT.js   coarse maps of every head, of the first documents (see `of_heads`)

Attention is stored in 8 bits as round(255 * sqrt(attention)), and as 0 below FLOOR: the error is at
most 0.002 for an attention up to 0.25, 0.004 up to 1, and less than FLOOR below it.
"""

import base64
import io
import json
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sinkscope.charts.palette import heat_index, heat_table
from sinkscope.extract.cell import Cell, read_cell
from sinkscope.extract.coarse import edges, quantised
from sinkscope.files import read_json, replaced_folder, write_json

CALL = "sinkscope.receive("
SPACE, LINE_END, TAB = "\u2581", "\u23ce", "\u21e5"  # as extract.pieces.readable writes them
# Arrays of a cell that the data file is made from.
ARRAYS = ["map", "head_map", "coarse_map", "sink_score", "is_sink"]


def write_maps(
    manifests: Sequence[Path],
    directory: Path,
    out: Path,
    documents: Sequence[str],
    n_of_heads: int = 0,
) -> None:
    """Write the maps of these documents of one model, in their order; of the first n_of_heads also
    the coarse maps of every head. Documents without a cell are left out."""
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
            cell = read_cell(directory / entry["cell"], ARRAYS)
            document = cell.meta["document"]
            every_head = document in documents[:n_of_heads]
            index.append(entry_of(cell, every_head=every_head))
            (folder / f"{document}.js").write_text(data_file(cell), encoding="utf-8")
            if every_head:
                (folder / "heads").mkdir(exist_ok=True)
                (folder / "heads" / f"{document}.js").write_text(heads_file(cell), encoding="utf-8")
        write_json(folder / "index.json", index)


def entry_of(cell: Cell, *, every_head: bool) -> dict[str, Any]:
    """What a page needs to know of a document before it loads a map. layers: those with attention;
    heads: those with a full map, as [layer, head]; every_head: whether there are coarse maps."""
    return {
        "document": cell.meta["document"],
        "n_tokens": cell.n_tokens,
        "n_cells": cell["map"].shape[1],
        "layers": cell.layers,
        "n_heads": cell["sink_score"].shape[1],
        "heads": [[int(part) for part in head.split("/")] for head in cell.meta["heads"]],
        "every_head": every_head,
    }


def data_file(cell: Cell) -> str:
    return script(f"{cell.meta['model']}/{cell.meta['document']}", data_of(cell))


def data_of(cell: Cell, *, maps: bool = True) -> dict[str, Any]:
    """The data of a document.

    tokens, texts (as they stand in running text), classes: per token. first: cell c of a map holds
    the tokens from first[c] up to first[c + 1]; one each, if the map is not a block average.
    maps: packed maps by name, [key, query]; left out without `maps`. received: packed sink scores,
    [layer, 1 + head, key]: the mean over heads, then each head. sinks: positions of the sinks of
    each layer.
    """
    n_cells, scores = cell["map"].shape[1], cell["sink_score"].astype(np.float32)
    received = np.concatenate([scores.mean(1, keepdims=True), scores], 1)
    data: dict[str, Any] = {
        "tokens": cell.meta["tokens"],
        "texts": running_text(cell.meta),
        "classes": cell.meta["classes"],
        "first": [c * cell.n_tokens // n_cells for c in range(n_cells + 1)],
        "received": packed(received),
        "sinks": [np.flatnonzero(row).tolist() for row in cell["is_sink"]],
        "causal": bool(cell.meta["is_causal"]),
    }
    if maps:
        data["maps"] = {name: packed(matrix.T) for name, matrix in named_maps(cell)}
    return data


def heads_file(cell: Cell) -> str:
    return script(f"{cell.meta['model']}/{cell.meta['document']}/heads", of_heads(cell))


def of_heads(cell: Cell) -> dict[str, Any]:
    """The coarse maps of a document. first: as of `data_of`, of these maps. packed: their bytes,
    [layer, head, key, query]; of a causal model only the queries from the key's cell on."""
    maps = np.swapaxes(cell["coarse_map"], -1, -2)
    if cell.meta["is_causal"]:
        maps = maps[..., *np.triu_indices(maps.shape[-1])]
    return {"first": edges(cell.n_tokens), "packed": compressed(maps)}


def named_maps(cell: Cell) -> Iterator[tuple[str, np.ndarray]]:
    """('12', head mean of layer 12) of all layers, then ('12-3', head 3 of layer 12)."""
    yield from zip(map(str, cell.layers), cell["map"], strict=True)
    for head, matrix in zip(cell.meta["heads"], cell["head_map"], strict=True):
        yield head.replace("/", "-"), matrix


def without_maps(file: Path) -> tuple[str, dict[str, Any]]:
    """Key and data of a data file, without the maps."""
    arguments = file.read_text(encoding="utf-8").removeprefix(CALL).removesuffix(");\n")
    key, data = json.loads(f"[{arguments}]")
    del data["maps"]
    return key, data


def running_text(meta: dict[str, Any]) -> list[str]:
    """What each token adds to the running text, with the white space before it."""
    tokens = [
        token.replace(SPACE, " ").replace(LINE_END, "\n").replace(TAB, "\t")
        for token in meta["tokens"]
    ]
    of_words = not any(SPACE in token for token in meta["tokens"])  # not, as most, with its spaces
    if of_words:
        tokens = [re.sub("^##(?=.)", "", token) for token in tokens]
    gaps = meta.get("gaps") or ["", *[" " if of_words else ""] * (len(tokens) - 1)]
    return [
        token if token[:1].isspace() else gap + token
        for token, gap in zip(tokens, gaps, strict=True)
    ]


def script(key: str, value: Any) -> str:
    """A call with two JSON arguments; `<` is escaped, so that it may stand inside a page too."""
    arguments = ", ".join(json.dumps(part).replace("<", "\\u003c") for part in (key, value))
    return f"{CALL}{arguments});\n"


def packed(attention: np.ndarray) -> str:
    """The compressed bytes of `quantised`, in the array's order."""
    return compressed(quantised(attention))


def compressed(steps: np.ndarray) -> str:
    """Base64 of the zlib-compressed bytes."""
    return base64.b64encode(zlib.compress(steps.tobytes(), 9)).decode("ascii")


def image(matrix: np.ndarray, *, log: bool = False) -> bytes:
    """PNG of a matrix, one pixel per entry, in the colours of heat maps."""
    picture = Image.fromarray(heat_index(matrix.astype(np.float32), log=log), mode="P")
    picture.putpalette(heat_table().tobytes())
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True)
    return stream.getvalue()
