"""Lines by layer or by tokens trained, distinguished by colour and dash; means over documents with
their intervals and their documents."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import altair as alt
import polars as pl

from sinkscope.charts.channels import N_DOCUMENTS, OF_ONE, estimated, panels, tips
from sinkscope.charts.theme import ALL_DOCUMENTS

Look = tuple[str, tuple[int, ...]]  # colour, dash

MOST_IN_A_ROW = 5  # entries of a legend that fit above three panels
SPOT = alt.OverlayMarkDef(size=18)  # at every value of a line
# Opacity of the band of an interval, and of the point of a document.
BAND, POINT = 0.18, 0.35
IS_MEAN, IS_DOCUMENT = (
    f"datum.document {relation} '{ALL_DOCUMENTS}'" for relation in ("===", "!==")
)


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


def mean_lines(
    x: alt.X,
    y: alt.Y,
    look: Mapping[str, Any],
    tooltip: Sequence[alt.Tooltip],
    *,
    field: str,
    width: int,
    height: int,
    on_lines: str = IS_MEAN,
    on_points: str = IS_DOCUMENT,
    opacity: Callable[[float], Any] = alt.value,
    start: alt.Chart | None = None,
    has_intervals: bool = True,
) -> alt.LayerChart:
    """One panel of lines that are means over documents, each with the band of its interval and a
    faint point per document.

    field: what y shows; the interval is in FIELD_low and FIELD_high. on_lines, on_points: Vega
    expressions that choose the rows of lines and of points. opacity: from an opacity to the value
    of that channel. start: a chart with filters (channels.only). has_intervals: whether any row has
    one.
    """
    color = look["color"]
    if isinstance(color, alt.Color) and "strokeDash" not in look:
        look = {**look, "color": (color := color.legend(symbolType="stroke", symbolSize=400))}
    base = (alt.Chart() if start is None else start).encode(x=x, color=color)
    low = alt.Y.from_dict({**y.to_dict(), "field": f"{field}_low"})  # type: ignore[dict-item]
    band = base.transform_filter(f"{on_lines} && isValid(datum.{field}_low)")
    band = band.mark_area(strokeWidth=0).encode(y=low, y2=f"{field}_high:Q", opacity=opacity(BAND))
    bands = [band] if has_intervals else []  # a scale has no use for a layer without rows
    point = base.transform_filter(on_points).mark_point(filled=True, size=9)
    point = point.encode(y=y, opacity=opacity(POINT), tooltip=list(tooltip))
    line = base.transform_filter(on_lines).mark_line(point=SPOT)
    line = line.encode(y=y, **look, opacity=opacity(1), tooltip=list(tooltip))
    return alt.LayerChart(layer=[*bands, point, line], width=width, height=height)


def layer_axis_of_panel() -> alt.X:
    x = alt.X("layer:Q", title="layer", scale=alt.Scale(nice=False, padding=6))
    return x.axis(format="d", tickMinStep=1, tickCount=6)


def mean_panels(
    drawn: pl.DataFrame, y: alt.Y, by_name: Mapping[str, Look], columns: int = 3
) -> alt.FacetChart:
    """One panel per model, each with its own layers along x. drawn: returned by
    of_documents.with_documents."""
    line = mean_lines(
        layer_axis_of_panel(),
        y,
        line_looks("line", by_name),
        mean_tips("value"),
        field="value",
        width=200,
        height=130,
        has_intervals=drawn["value_low"].count() > 0,
    )
    return panels(line, "model", columns).resolve_scale(x="independent")


def mean_tips(field: str, line: str | tuple[str, str] = "line:N") -> list[alt.Tooltip]:
    """The tooltip of a mean and of a document. line: the field that distinguishes lines."""
    return tips("model:N", line, "layer:Q", *estimated(field), N_DOCUMENTS, *OF_ONE)
