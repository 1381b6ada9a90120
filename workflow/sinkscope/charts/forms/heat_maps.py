"""Heat maps with many cells, as images: one with the tokens of its queries and keys, below a strip
of what every key receives; or many small ones."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import altair as alt

from sinkscope.charts.channels import panel_title
from sinkscope.charts.palette import HEAT_FLOOR, HEAT_STOPS

SIDE, LEAST = 640, 240  # pixels of the drawn map
SMALL = 128  # pixels of a small one
STRIP = 44  # pixels of the strip
BAR = "#243d94"  # of the strip, one of HEAT_STOPS
THINNEST = 2  # pixels of a bar: also the first of many keys is seen


@dataclass(frozen=True)
class Picture:
    """png: one pixel per entry of the map, in the colours of heat maps; the first key may have
    `widen` pixels. n_cells: entries per side. log: whether the colours are those of the logarithmic
    scale. row: what a page is told of the picture, such as its head."""

    png: bytes
    n_cells: int
    log: bool = False
    widen: int = 1
    row: Mapping[str, Any] = field(default_factory=dict)


def heat_map(picture: Picture) -> alt.VConcatChart:
    """Draws one row per cell of a side: at (middle of the cell), received (mean over queries),
    token (empty for cells without a label)."""
    n = picture.n_cells
    side = max(LEAST, min(SIDE, n * 12))
    strip = received(n, side).properties(width=side, height=STRIP)
    layers = [pixels(picture), legend(log=picture.log), queries(n)]
    drawn_map = alt.LayerChart(layer=layers, width=side, height=side)
    return alt.vconcat(strip, drawn_map, spacing=6)


def small_maps(pictures: Mapping[tuple[str, str], Picture], columns: int) -> alt.ConcatChart:
    """Images side by side, each below its name and a second line, with one legend. pictures: by
    name and second line."""
    panels: list[alt.LayerChart] = []
    for (name, second), picture in pictures.items():
        n = picture.n_cells
        pixel = max(1, SMALL // n)  # whole pixels per cell: no seams
        side, width = n * pixel, (n - 1 + picture.widen) * pixel
        layers = [pixels(picture), *([legend(log=False, orient="top")] if not panels else [])]
        title = panel_title(name, second)
        panels.append(alt.LayerChart(layer=layers, width=width, height=side, title=title))
    return alt.concat(*panels, columns=columns, spacing=12).resolve_scale(color="shared")


def received(n: int, side: int) -> alt.LayerChart:
    """Bars of what every key receives, below the tokens of the keys."""
    x = alt.X("at:Q", scale=alt.Scale(domain=[0, n], nice=False), axis=None)
    axis = alt.Axis(values=[0, 0.5, 1], format="~g", grid=True, titlePadding=4)
    y = alt.Y("received:Q", title="received", scale=alt.Scale(domain=[0, 1]), axis=axis)
    width = max(THINNEST, round(0.8 * side / n, 2))
    bars = alt.Chart().mark_bar(color=BAR, width=width).encode(x=x, y=y)
    # Labels are text marks: in an axis, tokens would have to be part of an expression.
    top = alt.MarkDef("text", align="left", baseline="middle", dx=4, fontSize=9, angle=270)
    return alt.LayerChart(
        layer=[bars, alt.Chart(mark=top).encode(x=x, y=alt.value(0), text="token:N")]
    )


def pixels(picture: Picture) -> alt.Chart:
    n = picture.n_cells
    uri = f"data:image/png;base64,{base64.b64encode(picture.png).decode('ascii')}"
    corners = {"url": uri, "start": 0, "stop": n, **picture.row}
    x = alt.X("start:Q", scale=alt.Scale(domain=[0, n], nice=False), axis=None)
    y = alt.Y("start:Q", scale=alt.Scale(domain=[n, 0], nice=False), axis=None)
    image = alt.Chart(alt.Data(values=[corners])).mark_image(aspect=False, smooth=False)
    return image.encode(x=x, x2="stop:Q", y=y, y2="stop:Q", url="url:N")


def queries(n: int) -> alt.Chart:
    left = alt.MarkDef("text", align="right", baseline="middle", dx=-4, fontSize=9)
    y = alt.Y("at:Q", scale=alt.Scale(domain=[n, 0], nice=False), axis=None)
    return alt.Chart(mark=left).encode(x=alt.value(0), y=y, text="token:N")


def legend(*, log: bool, orient: Literal["top", "bottom"] = "bottom") -> alt.Chart:
    """An invisible mark, for the legend of the image's colours."""
    name, least = ("logarithmic", HEAT_FLOOR) if log else ("linear", 0)
    scale = alt.Scale(domain=[least, 1], range=list(HEAT_STOPS), interpolate="rgb")
    scale = alt.Scale(**scale.to_dict() | {"type": "log" if log else "linear"})
    title = f"attention (part of 1, {name}); queries in rows, keys in columns"
    bar = alt.Legend(orient=orient, title=title, gradientLength=260, titleLimit=400)
    mark = alt.Chart(alt.Data(values=[{"value": least}])).mark_point(opacity=0)
    return mark.encode(color=alt.Color("value:Q", scale=scale, legend=bar))
