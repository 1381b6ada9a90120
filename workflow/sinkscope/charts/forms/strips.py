"""Cells of colour: layers by heads, layers by training, documents by documents, ..."""

from collections.abc import Sequence

import altair as alt


def cell_axis(*, labels: bool = True) -> alt.Axis:
    """Axis of an ordinal field of cells; labels that would overlap are left out."""
    return alt.Axis(labelOverlap=True, labelAngle=0, ticks=False, domain=False, labels=labels)


def cell_side(number: int, most: int, smallest: int = 7, largest: int = 18) -> int:
    """Pixels of a cell: `number` cells take at most `most` pixels, unless they would be too
    small."""
    return max(smallest, min(largest, most // number))


def strip(
    x: alt.X,
    y: alt.Y,
    color: alt.Color,
    tooltip: Sequence[alt.Tooltip | str],
    *,
    base: alt.Chart | None = None,
    x2: str | None = None,
) -> alt.Chart:
    """Cells. x, y: ordinal fields, mostly with cell_axis.

    base: a chart with filters (channels.only). x2: end of the cells, if x is quantitative.
    """
    chart = alt.Chart() if base is None else base
    cells = chart.mark_rect().encode(x=x, y=y, color=color, tooltip=list(tooltip))
    return cells.encode(x2=x2) if x2 else cells
