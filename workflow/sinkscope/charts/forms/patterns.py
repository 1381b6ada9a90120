"""The attention of one head or layer: queries in rows, keys in columns, on light paper."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from sinkscope.charts.channels import above, heat
from sinkscope.charts.palette import HEAT_STOPS

MARGIN = 1  # cells of paper around the map: key 0 can be as dark as a dark page
SIDE = 153  # pixels of a panel, about
LEAST_DRAWN = 0.005  # attention below it would have the colour of no attention
GUIDE: dict[str, Any] = {"color": "#d55e00", "strokeWidth": 1}
# On the paper, which is light in every style of the page.
EDGE: dict[str, Any] = {"color": "#555", "strokeWidth": 0.7, "strokeDash": [2, 2], "opacity": 0.7}

Segment = tuple[float, float, float, float]  # x, y, x2, y2, in tokens


def pattern(
    base: alt.Chart,
    length: int,
    title: str,
    tooltip: Sequence[alt.Tooltip | str],
    *,
    is_left: bool,
    guides: Sequence[tuple[Sequence[Segment], Mapping[str, Any]]] = (),
    marked: Sequence[int] = (),
) -> alt.LayerChart:
    """Cells of `query`, `key`, `attention`. base: the rows of one map (channels.only).

    length: of the text, in tokens. is_left: whether the queries are labelled. guides: lines, each
    group with its look (GUIDE, EDGE). marked: keys with a tick above the map, which hides none of
    their attention.
    """
    side = (length + 2 * MARGIN) * max(1, round(SIDE / length))  # whole pixels per cell: no seams
    cells = (
        base.transform_calculate(right="datum.key + 1", below="datum.query + 1")
        .mark_rect()
        .encode(
            x=key_axis(length, "key:Q"),
            x2="right:Q",
            y=query_axis(length, "query:Q", is_left),
            y2="below:Q",
            color=heat("attention", "attention (linear)"),
            tooltip=list(tooltip),
        )
    )
    drawn = [rules(lines, look, length, is_left) for lines, look in guides]
    paper = alt.ViewBackground(fill=HEAT_STOPS[0])
    layers = [cells, *drawn, *([ticks_above(marked, length)] if marked else []), above(title)]
    return alt.LayerChart(layer=layers, width=side, height=side, view=paper)


def rules(
    lines: Sequence[Segment], look: Mapping[str, Any], length: int, is_left: bool
) -> alt.Chart:
    values = [dict(zip(("x", "y", "to_x", "to_y"), one, strict=True)) for one in lines]
    rule = alt.Chart(alt.Data(values=values)).mark_rule(**look)
    x, y = key_axis(length, "x:Q"), query_axis(length, "y:Q", is_left)
    return rule.encode(x=x, x2="to_x:Q", y=y, y2="to_y:Q")


def ticks_above(keys: Sequence[int], length: int) -> alt.Chart:
    """A tick above the column of each key."""
    tick = alt.Chart(alt.Data(values=[{"at": key + 0.5} for key in keys]))
    tick = tick.mark_rule(color=GUIDE["color"], strokeWidth=3)
    return tick.encode(x=key_axis(length, "at:Q"), y=alt.value(0), y2=alt.value(-6))


def ticks(length: int) -> list[int]:
    return list(range(0, length, next(s for s in (10, 20, 50, 100, 1000) if length / s <= 8)))


def key_axis(length: int, field: str) -> alt.X:
    axis = alt.Axis(values=ticks(length), format="d", grid=False, domain=False)
    return alt.X(field, title="key").scale(domain=[-MARGIN, length + MARGIN], nice=False).axis(axis)


def query_axis(length: int, field: str, labels: bool) -> alt.Y:
    """The first query on top."""
    axis = alt.Axis(values=ticks(length), format="d", grid=False, labels=labels)
    title = "query" if labels else None
    return alt.Y(field, title=title).scale(domain=[length + MARGIN, -MARGIN], nice=False).axis(axis)
