"""Marks distinguished by colour and shape, one row of them per model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt

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
    look: Mapping[str, alt.Color | alt.Shape],
    tooltip: Sequence[alt.Tooltip],
    *,
    base: alt.Chart | None = None,
    size: int = 80,
) -> alt.Chart:
    """One mark per row of the data. y: mostly channels.rows_axis. base: a chart with filters."""
    chart = alt.Chart() if base is None else base
    mark = chart.mark_point(filled=True, size=size, opacity=0.85)
    return mark.encode(x=x, y=y, **look, tooltip=list(tooltip))
