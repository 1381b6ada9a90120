"""One heat map as a separate figure: a layer's head mean, or a single head."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import vl_convert

from sinkscope.atlas.maps import image, named_maps
from sinkscope.charts.figure import Figure, as_svg
from sinkscope.charts.forms import heat_maps as forms
from sinkscope.errors import SinkscopeError
from sinkscope.extract.cell import Cell, cell_path
from sinkscope.files import write_json, write_text, written
from sinkscope.findings.finding import Finding
from sinkscope.tables.contract import as_csv
from sinkscope.words import spans

MOST_LABELS = 56  # along an axis
MOST_LISTED = 20  # names in an error


def write_heat_map(cell: Cell, name: str, out: Path, *, log: bool = False) -> None:
    """Write map `name` of a cell ('12', or '12-3' for head 3 of layer 12) in the format of out's
    ending: .svg, .png, .json (Vega-Lite) or .csv (all numbers). log: whether the colours are on a
    logarithmic scale.

    Raises SinkscopeError for a map that the cell does not have, and for another ending.
    """
    if "map" not in cell.arrays:
        raise SinkscopeError(
            f"model '{cell.meta['model']}': the maps of '{cell.meta['document']}' were not kept, "
            "only those of the first documents of the table; raise documents_in_report in the "
            "configuration and run again."
        )
    maps = dict(named_maps(cell))
    if name not in maps:
        layer, _, head = name.partition("-")
        heads = listed(cell.meta["heads"]) if cell.meta["heads"] else "none"
        what = f"layer {layer}, head {head}" if head else f"layer {layer}"
        raise SinkscopeError(
            f"model '{cell.meta['model']}': '{cell.meta['document']}' has no map of {what}; "
            f"layers are {spans(cell.layers)}, single heads "
            f"(LAYER/HEAD) {heads}. Name one of them, or add the head to head_maps in the "
            "configuration and run again."
        )
    figure = heat_map(cell, name, maps[name], log=log)
    if out.suffix == ".csv":
        write_text(out, as_csv(numbers(cell, maps[name])))
    elif out.suffix == ".json":
        write_json(out, figure.spec())
    elif out.suffix == ".svg":
        write_text(out, as_svg(figure.spec()))
    elif out.suffix == ".png":
        with written(out) as temporary:
            temporary.write_bytes(vl_convert.svg_to_png(as_svg(figure.spec()), scale=2))
    else:
        raise SinkscopeError(f"{out}: a map is written as .svg, .png, .json or .csv; name one.")


def find_cell(results: Path, model: str, document: str) -> Path:
    """The finished cell of a model and a document.

    Raises SinkscopeError, which lists the models or documents that have cells.
    """
    models = sorted({path.parent.name for path in (results / "cells").glob("*/*.safetensors")})
    if model not in models:
        raise SinkscopeError(
            f"map: model '{model}' has no finished cells in {results}; models there: "
            f"{listed(models) if models else 'none, run snakemake first'}."
        )
    folder = cell_path(results, model, document).parent
    documents = sorted(path.stem for path in folder.glob("*.safetensors"))
    if document not in documents:
        raise SinkscopeError(
            f"map: model '{model}' has no finished cell of document '{document}' with maps (none "
            f"are kept in summaries, see detail in the configuration); documents there: "
            f"{listed(documents)}."
        )
    return cell_path(results, model, document)


def listed(names: Sequence[str]) -> str:
    """The names, or the first of them if there are many."""
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    return ", ".join(names[:MOST_LISTED]) + more


def first_tokens(cell: Cell, n_cells: int) -> list[str]:
    """Token of every row of a map; for a block average, the first token of the block."""
    return [cell.meta["tokens"][c * cell.n_tokens // n_cells] for c in range(n_cells)]


def numbers(cell: Cell, matrix: np.ndarray) -> pl.DataFrame:
    """query, key, their tokens, and attention; one row per entry of the map."""
    query, key = np.indices(matrix.shape, dtype=np.uint32).reshape(2, -1)
    tokens = np.array(first_tokens(cell, len(matrix)))
    return pl.DataFrame(
        {
            "query": query,
            "query_token": tokens[query],
            "key": key,
            "key_token": tokens[key],
            "attention": matrix.ravel().astype(np.float32),
        }
    )


def heat_map(cell: Cell, name: str, matrix: np.ndarray, *, log: bool = False) -> Figure:
    layer, _, head = name.partition("-")
    n_cells = len(matrix)
    what = f"layer {layer}, head {head}" if head else f"layer {layer}, mean over heads"
    step = -(-n_cells // MOST_LABELS)
    tokens = first_tokens(cell, n_cells)
    drawn = pl.DataFrame(
        {
            "at": np.arange(n_cells) + 0.5,
            "received": matrix.mean(0, dtype=np.float64),
            "token": [token if c % step == 0 else "" for c, token in enumerate(tokens)],
        }
    )
    return Figure(
        name=f"map-{name}",
        title=f"{cell.meta['document']}, {what}",
        subject=cell.meta["model"],
        finding=Finding(""),
        caption=(
            "Attention from every query (rows) to every key (columns); above, the attention on "
            "every key, mean over queries."
        ),
        chart=forms.heat_map(forms.Picture(image(matrix, log=log), n_cells, log)),
        data=drawn,
    )
