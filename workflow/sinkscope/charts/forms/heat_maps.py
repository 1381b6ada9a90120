"""A whole map of attention as an image, with tokens along its sides."""

from __future__ import annotations

import base64

import altair as alt
import polars as pl

from sinkscope.charts.palette import HEAT_FLOOR, HEAT_STOPS
from sinkscope.charts.theme import data_source

SIDE = 640  # pixels of the drawn map
TITLE = "attention, logarithmic; queries in rows, keys in columns"


def heat_map(picture: bytes, n_cells: int, labels: pl.DataFrame) -> alt.LayerChart:
    """picture: PNG, one pixel per entry of the map, in the colours of heat maps (logarithmic).
    labels: at (position in cells), token; for both sides."""
    uri = f"data:image/png;base64,{base64.b64encode(picture).decode('ascii')}"
    corners = {"url": uri, "start": 0, "stop": n_cells}
    x = alt.X("start:Q", scale=alt.Scale(domain=[0, n_cells]), axis=None)
    y = alt.Y("start:Q", scale=alt.Scale(domain=[n_cells, 0]), axis=None)
    drawn = (
        alt.Chart(alt.Data(values=[corners]))
        .mark_image(aspect=False, smooth=False)
        .encode(x=x, x2="stop:Q", y=y, y2="stop:Q", url="url:N")
    )
    # Labels are text marks: in an axis, tokens would have to be part of an expression.
    left = alt.MarkDef("text", align="right", baseline="middle", dx=-4, fontSize=9)
    top = alt.MarkDef("text", align="left", baseline="middle", dx=4, fontSize=9, angle=270)
    queries = alt.Chart(mark=left).encode(x=alt.value(0), y="at:Q", text="token:N")
    keys = alt.Chart(mark=top).encode(x="at:Q", y=alt.value(0), text="token:N")
    side = max(240, min(SIDE, n_cells * 12))
    layers = [drawn, legend(), queries, keys]
    return alt.LayerChart(data=data_source(labels), layer=layers, width=side, height=side)


def legend() -> alt.Chart:
    """An invisible mark, for the legend of the image's colours."""
    scale = alt.Scale(type="log", domain=[HEAT_FLOOR, 1], range=list(HEAT_STOPS))
    bar = alt.Legend(orient="bottom", title=TITLE, gradientLength=260, titleLimit=400)
    mark = alt.Chart(alt.Data(values=[{"value": HEAT_FLOOR}])).mark_point(opacity=0)
    return mark.encode(color=alt.Color("value:Q", scale=scale, legend=bar))
