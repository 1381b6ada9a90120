"""Lines by layer or by tokens trained, distinguished by colour and dash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import polars as pl

from sinkscope.charts.channels import panels, tips

Look = tuple[str, tuple[int, ...]]  # colour, dash

MOST_IN_A_ROW = 5  # entries of a legend that fit above three panels
SPOT = alt.OverlayMarkDef(size=18)  # at every value of a line


def line_looks(
    field: str, by_name: Mapping[str, Look], title: str | None = None
) -> dict[str, alt.Color | alt.StrokeDash]:
    """Colour and dash of lines, with one legend in the order of by_name."""
    names = list(by_name)
    columns = 3 if len(names) > MOST_IN_A_ROW else len(names)
    legend = alt.Legend(symbolType="stroke", symbolSize=400, columns=columns)
    colours, dashes = zip(*by_name.values(), strict=True)
    return {
        "color": alt.Color(f"{field}:N", title=title, legend=legend).scale(
            domain=names, range=list(colours)
        ),
        "strokeDash": alt.StrokeDash(f"{field}:N", title=title, legend=legend).scale(
            domain=names, range=[list(dash) for dash in dashes]
        ),
    }


def lines(
    x: alt.X,
    y: alt.Y,
    look: Mapping[str, Any],
    tooltip: Sequence[alt.Tooltip],
    *,
    width: int,
    height: int,
) -> alt.Chart:
    """One panel of lines with their values as spots. look: the channels that distinguish lines."""
    line = alt.Chart(width=width, height=height).mark_line(point=SPOT)
    return line.encode(x=x, y=y, **look, tooltip=list(tooltip))


def layer_panels(
    drawn: pl.DataFrame, y: alt.Y, by_name: Mapping[str, Look], columns: int = 3
) -> alt.FacetChart:
    """One panel per model, each with its own layers along x. drawn: model, layer, line, value."""
    x = alt.X("layer:Q", title="layer", scale=alt.Scale(nice=False, padding=6))
    line = lines(
        x.axis(format="d", tickMinStep=1, tickCount=6),
        y,
        line_looks("line", by_name),
        tips("model:N", "line:N", "layer:Q", ("value:Q", "", ".4f")),
        width=200,
        height=130,
    )
    return panels(line, drawn, "model", columns).resolve_scale(x="independent")


def long(frame: pl.DataFrame, lines: Mapping[str, str], by: list[str]) -> pl.DataFrame:
    """`by`, line, value: columns of `frame` as lines. lines: column to name of the line."""
    return (
        frame.select(*by, *(pl.col(column).alias(name) for column, name in lines.items()))
        .unpivot(list(lines.values()), index=by, variable_name="line", value_name="value")
        .with_columns(pl.col("value").fill_nan(None))
        .drop_nulls("value")
    )
