"""One heat map as a figure of its own: a layer's head mean, or a single head."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import altair as alt
import numpy as np
import polars as pl
import vl_convert

from sinkscope.charts.figure import Figure, as_svg
from sinkscope.charts.maps import image, named_maps
from sinkscope.charts.palette import HEAT_FLOOR, HEAT_STOPS
from sinkscope.charts.theme import data_source
from sinkscope.errors import SinkscopeError
from sinkscope.extract.cell import Cell, cell_path
from sinkscope.files import write_json, write_text, written
from sinkscope.spreadsheet import as_csv

SIDE = 640  # pixels of the drawn map
MOST_LABELS = 56  # along an axis
MOST_LISTED = 20  # names in an error


def write_heat_map(cell: Cell, name: str, out: Path) -> None:
    """Write map `name` of a cell ('12', or '12-3' for head 3 of layer 12) as out's ending says:
    .svg, .png, .json (Vega-Lite) or .csv (all numbers).

    Raises SinkscopeError for a map that the cell does not keep, and for another ending.
    """
    maps = dict(named_maps(cell))
    if name not in maps:
        layer, _, head = name.partition("-")
        kept = listed(cell.meta["heads"]) if cell.meta["heads"] else "none"
        what = f"layer {layer}, head {head}" if head else f"layer {layer}"
        raise SinkscopeError(
            f"model '{cell.meta['model']}': no map of {what} is kept of "
            f"'{cell.meta['document']}'; layers are 0 to {len(cell['map']) - 1}, single heads "
            f"(LAYER/HEAD) {kept}. Name one of them, or add the head to head_maps in the "
            "configuration and run again."
        )
    figure = heat_map(cell, name, maps[name])
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
            f"map: model '{model}' has no finished cell of document '{document}'; documents there: "
            f"{listed(documents)}."
        )
    return cell_path(results, model, document)


def listed(names: Sequence[str]) -> str:
    """The names, or the first of them where they are many."""
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    return ", ".join(names[:MOST_LISTED]) + more


def first_tokens(cell: Cell, n_cells: int) -> list[str]:
    """Token of every row of a map; of a block average, the first of its block."""
    return [cell.meta["tokens"][c * cell.n_tokens // n_cells] for c in range(n_cells)]


def numbers(cell: Cell, matrix: np.ndarray) -> pl.DataFrame:
    """query, key, their tokens, and attention; a row for every entry of the map."""
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


def heat_map(cell: Cell, name: str, matrix: np.ndarray) -> Figure:
    layer, _, head = name.partition("-")
    n_cells = len(matrix)
    what = f"layer {layer}, head {head}" if head else f"layer {layer}, mean over heads"
    step = -(-n_cells // MOST_LABELS)
    labels = pl.DataFrame(
        {
            "at": [c + 0.5 for c in range(0, n_cells, step)],
            "token": first_tokens(cell, n_cells)[::step],
        }
    )
    uri = f"data:image/png;base64,{base64.b64encode(image(matrix)).decode('ascii')}"
    corners = {"url": uri, "start": 0, "stop": n_cells}
    x = alt.X("start:Q", scale=alt.Scale(domain=[0, n_cells]), axis=None)
    y = alt.Y("start:Q", scale=alt.Scale(domain=[n_cells, 0]), axis=None)
    picture = (
        alt.Chart(alt.Data(values=[corners]))
        .mark_image(aspect=False, smooth=False)
        .encode(x=x, x2="stop:Q", y=y, y2="stop:Q", url="url:N")
    )
    # An invisible mark, for the legend of the image's colours.
    scale = alt.Scale(type="log", domain=[HEAT_FLOOR, 1], range=list(HEAT_STOPS))
    words = "attention, logarithmic; queries in rows, keys in columns"
    bar = alt.Legend(orient="bottom", title=words, gradientLength=260, titleLimit=400)
    legend = (
        alt.Chart(alt.Data(values=[{"value": HEAT_FLOOR}]))
        .mark_point(opacity=0)
        .encode(color=alt.Color("value:Q", scale=scale, legend=bar))
    )
    # Labels are text marks: in an axis, tokens would have to stand in an expression.
    left = alt.MarkDef("text", align="right", baseline="middle", dx=-4, fontSize=9)
    above = alt.MarkDef("text", align="left", baseline="middle", dx=4, fontSize=9, angle=270)
    queries = alt.Chart(mark=left).encode(x=alt.value(0), y="at:Q", text="token:N")
    keys = alt.Chart(mark=above).encode(x="at:Q", y=alt.value(0), text="token:N")
    side = max(240, min(SIDE, n_cells * 12))
    chart = alt.layer(picture, legend, queries, keys, data=data_source(labels))
    return Figure(
        name=f"map-{name}",
        title=f"{cell.meta['document']}, {what}",
        subject=cell.meta["model"],
        finding="",
        caption="Attention from every query (rows) to every key (columns).",
        chart=chart.properties(width=side, height=side),
        data=labels,
    )
