"""Marks distinguished by colour and shape, one row of them per model; means over documents with
their intervals and their documents."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from sinkscope.charts.channels import interval_rule
from sinkscope.charts.forms.lines import IS_DOCUMENT, IS_MEAN, POINT

Look = tuple[str, str]  # colour, shape


def mark_looks(
    field: str, by_name: Mapping[str, Look], *, columns: int | None = None
) -> dict[str, alt.Color | alt.Shape]:
    """Colour and shape of marks, one legend in the order of by_name. columns: of the legend."""
    names = list(by_name)
    colours, shapes = zip(*by_name.values(), strict=True)
    legend = alt.Legend(columns=columns or alt.Undefined, labelLimit=340)
    return {
        "color": alt.Color(f"{field}:N", title=None, legend=legend).scale(
            domain=names, range=list(colours)
        ),
        "shape": alt.Shape(f"{field}:N", title=None, legend=legend).scale(
            domain=names, range=list(shapes)
        ),
    }


def marks(
    x: alt.X | str,
    y: alt.Y,
    look: Mapping[str, Any],
    tooltip: Sequence[alt.Tooltip],
    *,
    base: alt.Chart | None = None,
    size: int = 80,
) -> alt.Chart:
    """One mark per row of the data. y: mostly channels.rows_axis. base: a chart with filters."""
    chart = alt.Chart() if base is None else base
    mark = chart.mark_point(filled=True, size=size, opacity=0.85)
    return mark.encode(x=x, y=y, **look, tooltip=list(tooltip))


def mean_marks(
    x: alt.X,
    y: alt.Y,
    look: Mapping[str, Any],
    tooltip: Sequence[alt.Tooltip],
    *,
    field: str,
    width: int,
    height: int,
    size: int = 80,
) -> alt.LayerChart:
    """One mark per mean over documents, with the rule of its interval, and a faint point per
    document. field: what x shows; the interval is in FIELD_low and FIELD_high."""
    color: Any = look["color"]
    point = alt.Chart().transform_filter(IS_DOCUMENT)
    point = point.mark_point(filled=True, size=12, opacity=POINT)
    base = alt.Chart().transform_filter(IS_MEAN)
    layers = [
        point.encode(x=x, y=y, color=color, tooltip=list(tooltip)),
        interval_rule(base.encode(y=y, color=color), f"{field}_low", f"{field}_high"),
        marks(x, y, look, tooltip, base=base, size=size),
    ]
    return alt.LayerChart(layer=layers, width=width, height=height)
