"""Encodings, filters and panels that several forms of chart share."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from sinkscope.charts.palette import HEAT_STOPS
from sinkscope.charts.theme import DATA, OF_DOCUMENT, colours, document_picker, one_row

LINEAR = alt.Scale(domain=[0, 1], range=list(HEAT_STOPS), interpolate="rgb")
CLAMPED = alt.Scale(domain=[0, 1], range=list(HEAT_STOPS), interpolate="rgb", clamp=True)
LEGEND = alt.Legend(gradientLength=200, values=[0, 0.5, 1], format=".1f")
DASHED = [4, 3]  # dashes of a threshold
# Fields of a tooltip: what a mean is over, and what a point is of.
N_DOCUMENTS = ("n_documents:Q", "documents")
OF_ONE = ("document:N", ("n_tokens:Q", "tokens of the document"))


def tips(*fields: str | tuple[str, ...]) -> list[alt.Tooltip]:
    """A tooltip. Each field is 'layer:Q', (field, title), or (field, title, format); an empty title
    stands for the name of the field."""
    return [tip(field) if isinstance(field, str) else tip(*field) for field in fields]


def tip(field: str, title: str = "", form: str = "") -> alt.Tooltip:
    return alt.Tooltip(field, title=title or alt.Undefined, format=form or alt.Undefined)


def estimated(
    field: str, title: str = "", form: str = ".4f", ends: str | None = None
) -> list[tuple[str, ...]]:
    """Fields of a tooltip: a mean and its interval. ends: prefix of low and high; default
    FIELD_."""
    prefix = f"{field}_" if ends is None else ends
    low, high = f"{prefix}low:Q", f"{prefix}high:Q"
    return [(f"{field}:Q", title, form), (low, "95 % interval from", form), (high, "to", form)]


def heat(field: str, title: str, *, clamp: bool = False) -> alt.Color:
    """Attention from 0 to 1, linear, in the colours of heat maps.

    clamp: values outside are clipped.
    """
    return alt.Color(f"{field}:Q", scale=CLAMPED if clamp else LINEAR, title=title, legend=LEGEND)


def by_model_colours(by_name: Mapping[str, str]) -> alt.Color:
    """by_name: colour by model, as palette.model_colours returns it."""
    return colours("model", "model", dict(by_name))


def only(**values: Any) -> alt.Chart:
    """A chart without a mark, of the rows that have these values: only(model='gpt2', layer=3)."""
    chart = alt.Chart()
    for field, value in values.items():
        chart = chart.transform_filter(alt.FieldEqualPredicate(field=field, equal=value))
    return chart


def rows_axis(
    field: str, order: Any, *, labels: bool = True, grid: bool = True, title: str | None = None
) -> alt.Y:
    """Names along y, one row each. order: the names, or a sort field. grid: a line through each
    row."""
    axis = alt.Axis(labelFontSize=12, labelLimit=260, labelPadding=8, labels=labels)
    if grid:
        axis = alt.Axis(**axis.to_dict(), grid=True, tickBand="center")
    return alt.Y(f"{field}:N", title=title, sort=order, axis=axis)


def panel_title(text: str, subtitle: str | None = None) -> alt.TitleParams:
    """Title of a panel, smaller than that of the figure."""
    title = alt.TitleParams(text, fontSize=11, offset=6)
    if subtitle is None:
        return title
    return alt.TitleParams(
        **title.to_dict(), subtitle=subtitle, subtitleFontSize=10, subtitleColor="currentColor"
    )


def above(text: str) -> alt.Chart:
    """A layer with the name of a panel, at the left corner of the panel regardless of its axes: a
    title would move up and left where an axis has labels."""
    mark = alt.Chart(one_row()).mark_text(align="left", baseline="bottom", fontSize=10)
    return mark.encode(x=alt.value(0), y=alt.value(-7), text=alt.value(text))


def threshold(value: float) -> alt.Chart:
    """A layer with a dashed vertical rule at a value of x."""
    rule = alt.Chart(one_row()).mark_rule(strokeDash=DASHED, opacity=0.8)
    return rule.encode(x=alt.datum(value))


def interval_rule(base: alt.Chart, low: str, high: str) -> alt.Chart:
    """A layer with a horizontal rule per row of `base` that has an interval. low, high: its
    fields."""
    rule = base.transform_filter(f"isValid(datum.{low})").mark_rule(strokeWidth=1.5)
    return rule.encode(x=f"{low}:Q", x2=f"{high}:Q")


def beyond(base: alt.Chart, field: str, high: str) -> alt.Chart:
    """`base` with its x at `field`, or at the end of the interval where that is further: a place
    for text that the rule does not cross."""
    end = f"isValid(datum.{high}) ? max(datum.{field}, datum.{high}) : datum.{field}"
    return base.transform_calculate(end=end).encode(x="end:Q")


def number_text(base: alt.Chart, number: str, *, at_right: bool = False) -> alt.Chart:
    """A layer with one text per row of `base`, beside its x or right of the panel. number: a Vega
    expression."""
    text = base.transform_calculate(number=number).mark_text(align="left", dx=8 if at_right else 5)
    text = text.encode(text="number:N")
    return text.encode(x=alt.value("width")) if at_right else text


def panels(
    chart: alt.Chart | alt.LayerChart, field: str, columns: int, order: Sequence[str] | None = None
) -> alt.FacetChart:
    """Small multiples: one panel per value of `field`, in this order (by default sorted)."""
    facet = alt.Facet(f"{field}:N", title=None, sort=list(order) if order else alt.Undefined)
    return chart.facet(facet=facet, columns=columns, data=DATA, spacing=16)


def by_document(chart: Any, documents: Sequence[str], *, filtered: bool = True) -> Any:
    """The chart with a document picker; it draws the rows of the picked document. filtered: False
    for a chart whose layers choose their rows."""
    chart = chart.add_params(document_picker(list(documents)))
    return chart.transform_filter(OF_DOCUMENT) if filtered else chart
