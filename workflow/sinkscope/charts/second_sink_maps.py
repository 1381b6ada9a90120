"""Head means of two layers, with the columns of the first token and of the second sink marked."""

from __future__ import annotations

import altair as alt
import polars as pl

from sinkscope.charts import words
from sinkscope.charts.figure import Figure
from sinkscope.charts.induction_patterns import (
    GUIDE,
    LEAST_DRAWN,
    LEGEND,
    LINEAR,
    key_axis,
    of_model,
    panel_title,
    query_axis,
)
from sinkscope.charts.palette import HEAT_STOPS
from sinkscope.charts.select import axis_length
from sinkscope.charts.theme import data_source, one_row, rounded

MOST_MODELS = 4


def figures(maps: pl.DataFrame, order: list[str]) -> list[Figure]:
    """maps: second_sink_maps. order: models, those to show first in front."""
    there = set(maps["model"])
    models = [name for name in order if name in there][:MOST_MODELS]
    if not models:
        return []
    drawn = maps.filter(pl.col("model").is_in(models))
    visible = rounded(drawn.filter(pl.col("attention") >= LEAST_DRAWN))
    pairs = [pair(drawn.filter(pl.col("model") == name)) for name in models]
    chart = alt.concat(*pairs, columns=2, spacing=26, data=data_source(visible))
    columns = what_columns_get(drawn)
    return [
        Figure(
            name="second_sink_maps",
            title="Two bright columns?",
            finding=columns,
            caption=(
                "Attention from every query (rows) to every key (columns), mean over heads, in the "
                "layers in the middle of the first and of the third quarter, of the first tokens "
                "of a document. Orange lines: the columns of key 0 and of the first terminator. "
                f"Formula: M[l,i,j]. Attention below {LEAST_DRAWN} is left blank. "
                f"n = {words.counted(len(models), 'model')}, those whose first terminator gets "
                "most, one text each. Unit: part of 1, linear scale. Positions and layers count "
                "from 0."
            ),
            chart=chart.resolve_scale(color="shared"),
            data=visible,
        )
    ]


def pair(own: pl.DataFrame) -> alt.HConcatChart:
    row = own.row(0, named=True)
    length = axis_length(own, "query")
    layers = own["layer"].unique().sort().to_list()
    panels = [one_map(own, layer, length, is_left=i == 0) for i, layer in enumerate(layers)]
    mark = own.filter(pl.col("key") == row["second_sink"])["token"][0]
    subtitle = f"{row['document']}: first terminator “{mark}” at {row['second_sink']}"
    return alt.hconcat(
        *panels, spacing=10, title=panel_title(row["model"], subtitle)
    ).resolve_scale(color="shared")


def one_map(own: pl.DataFrame, layer: int, length: int, *, is_left: bool) -> alt.LayerChart:
    side = (length + 2) * max(1, round(153 / length))
    x, y = key_axis(length, "key:Q"), query_axis(length, "query:Q", is_left)
    cells = (
        of_model(own["model"][0])
        .transform_filter(alt.FieldEqualPredicate(field="layer", equal=layer))
        .transform_calculate(right="datum.key + 1", below="datum.query + 1")
        .mark_rect(aria=False)
        .encode(
            x=x,
            x2="right:Q",
            y=y,
            y2="below:Q",
            color=alt.Color("attention:Q", scale=LINEAR, title="attention (linear)", legend=LEGEND),
            tooltip=["query:Q", "key:Q", "token:N", alt.Tooltip("attention:Q", format=".4f")],
        )
    )
    edges = [edge for key in (0, own["second_sink"][0]) for edge in (key, key + 1)]
    lines = (
        alt.Chart(alt.Data(values=[{"x": edge, "y": 0, "to": length} for edge in edges]))
        .mark_rule(aria=False, color=GUIDE, strokeWidth=1)
        .encode(x=key_axis(length, "x:Q"), y=query_axis(length, "y:Q", is_left), y2="to:Q")
    )
    above = alt.Chart(one_row()).mark_text(align="left", baseline="bottom", fontSize=10)
    named = above.encode(x=alt.value(0), y=alt.value(-7), text=alt.value(f"layer {layer}"))
    paper = alt.ViewBackground(fill=HEAT_STOPS[0])
    return alt.LayerChart(layer=[cells, lines, named], width=side, height=side, view=paper)


def what_columns_get(drawn: pl.DataFrame) -> str:
    """Of the strongest pair of columns: what later queries give to each."""
    later = pl.col("query") > pl.col("second_sink")
    means = (
        drawn.filter(later)
        .group_by("model", "layer", maintain_order=True)
        .agg(
            first=pl.col("attention").filter(pl.col("key") == 0).mean(),
            second=pl.col("attention").filter(pl.col("key") == pl.col("second_sink")).mean(),
        )
        .sort("second", "model", "layer", descending=[True, False, False])
    )
    row = means.row(0, named=True)
    return (
        f"Of these maps the first terminator's column is brightest in layer {row['layer']} of "
        f"{row['model']}: later queries give it {words.mass(row['second'])} of their attention, "
        f"and the first token {words.mass(row['first'])}. {brightest(drawn)}"
    )


def brightest(drawn: pl.DataFrame) -> str:
    """A sentence on the brightest column of a token that is not the first."""
    half = pl.col("query").max().over("model") // 2
    order = ["mass", "model", "layer", "key"]
    row = (
        drawn.filter(
            (pl.col("key") > 0) & (pl.col("key") <= half) & (pl.col("query") >= pl.col("key"))
        )
        .group_by("model", "layer", "key", "token")
        .agg(mass=pl.col("attention").mean())
        .sort(order, descending=[True, False, False, False])
        .row(0, named=True)
    )
    return (
        f"The brightest column but the first token's is that of “{row['token']}” at "
        f"{row['key']}, in layer {row['layer']} of {row['model']} ({words.mass(row['mass'])})."
    )
