"""Horizontal bars, with their numbers."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from sinkscope.charts.channels import beyond, interval_rule, number_text, threshold
from sinkscope.charts.forms.lines import IS_DOCUMENT, POINT
from sinkscope.charts.theme import ALL_DOCUMENTS, INK, TOKEN_FONT

# Pixels of stacked bars: the bar, the gap below it, the strip of a document, the gap below these.
BAR, BELOW, STRIP, GAP = 15, 2, 3, 10

# Tokens along y, in a font in which similar characters are distinct.
TOKEN_AXIS = alt.Axis(labelFont=TOKEN_FONT, labelFontSize=12, labelOpacity=1)


def bars(
    x: alt.X,
    y: alt.Y,
    color: alt.Color,
    tooltip: Sequence[alt.Tooltip],
    *,
    width: int,
    height: int | alt.Step,
    number: str | None = None,
    at_right: bool = False,
    limit: float | None = None,
    band: float = 0.7,
    interval: tuple[str, str] | None = None,
    base: alt.Chart | None = None,
    **channels: Any,
) -> alt.LayerChart:
    """One bar per row of the data, from 0 to x.

    number: a Vega expression, the text at the end of each bar or, with at_right, right of the
    panel. limit: a value of x with a dashed rule. band: fraction of a row that a bar fills.
    interval: fields with the ends of an interval of x, drawn as a rule. base: a chart with
    transforms. channels: of bars and numbers, such as opacity.
    """
    chart = alt.Chart() if base is None else base
    encoded = chart.encode(x=x, y=y, tooltip=list(tooltip), **channels)
    layers = [encoded.mark_bar(height={"band": band}).encode(color=color)]
    if interval is not None:
        layers.append(interval_rule(encoded, *interval))
    if number is not None:
        place = encoded
        if interval is not None and not at_right:
            place = beyond(encoded, str(x.shorthand).partition(":")[0], interval[1])
        layers.append(number_text(place, number, at_right=at_right))
    if limit is not None:
        layers.append(threshold(limit))
    return alt.LayerChart(layer=layers, width=width, height=height)


def stacked(drawn: pl.DataFrame, names: Sequence[str], field: str, order: str) -> pl.DataFrame:
    """Adds the places of stacked bars with the documents as strips below them, the shortest first:
    start, stop (along x) and top, bottom (pixels); and name, in one row per bar.

    drawn: name, document (ALL_DOCUMENTS for the bar), n_tokens, `field`, and `order`, that of the
    parts. names: of the bars, from above.
    """
    bar = ["name", "document"]
    ordered = drawn.with_columns(at_bar=pl.col("name").replace_strict(names, range(len(names))))
    is_single = pl.col("document") != ALL_DOCUMENTS
    ordered = ordered.sort("at_bar", is_single, "n_tokens", "document", order)
    stop = pl.col(field).cum_sum().over(bar)
    lane = pl.struct("document").rle_id().over("name").cast(pl.Int64)  # 0: the bar
    n_lanes = ordered.group_by("name").agg(pl.col("document").n_unique())["document"].max() or 1
    height = BAR + BELOW + STRIP * (n_lanes - 1) + GAP  # type: ignore[operator]
    inside = pl.when(is_single).then(BAR + BELOW + STRIP * (lane - 1)).otherwise(0)
    top = pl.col("at_bar") * height + inside
    placed = ordered.with_columns(start=stop - pl.col(field), stop=stop, top=top)
    once = pl.int_range(pl.len()).over("name") == 0
    return placed.with_columns(
        bottom=pl.col("top") + pl.when(is_single).then(STRIP).otherwise(BAR),
        name=pl.when(once).then("name"),
    ).drop("at_bar")


def stacked_bars(
    placed: pl.DataFrame,
    title: str,
    color: alt.Color,
    tooltip: Sequence[alt.Tooltip],
    *,
    width: int,
    **channels: Any,
) -> alt.LayerChart:
    """Bars of parts of 1, one below the other, with the documents as strips. placed: returned by
    stacked. channels: of bars, such as opacity."""
    height = int(placed["bottom"].max() or 0)  # type: ignore[arg-type]
    scale = alt.Scale(domain=[0, height], range=[0, height], nice=False)
    x = alt.X("start:Q", title=title, axis=alt.Axis(format="%")).scale(domain=[0, 1])
    y = alt.Y("top:Q", title=None, axis=None, scale=scale)
    parts = (
        alt.Chart()
        .mark_rect()
        .encode(
            x=x, x2="stop:Q", y=y, y2="bottom:Q", color=color, tooltip=list(tooltip), **channels
        )
    )
    names = alt.Chart().transform_filter("isValid(datum.name)")
    names = names.mark_text(align="right", baseline="middle", dy=BAR / 2, fontSize=12)
    names = names.encode(x=alt.value(-10), y=y, text="name:N")
    return alt.LayerChart(layer=[parts, names], width=width, height=height)


def document_points(
    x: alt.X,
    y: alt.Y,
    tooltip: Sequence[alt.Tooltip],
    *,
    base: alt.Chart | None = None,
    opacity: Any = alt.Undefined,
) -> alt.Chart:
    """A small point per document, on the bar of their mean. opacity: default alt.value(2 *
    POINT)."""
    chart = alt.Chart() if base is None else base
    point = chart.transform_filter(IS_DOCUMENT).mark_point(filled=True, size=12)
    shade = alt.value(2 * POINT) if opacity is alt.Undefined else opacity
    return point.encode(x=x, y=y, color=alt.value(INK), opacity=shade, tooltip=list(tooltip))
