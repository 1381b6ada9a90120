"""Horizontal bars, with their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from sinkscope.charts.channels import beyond, interval_rule, number_text, threshold
from sinkscope.charts.theme import TOKEN_FONT

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
