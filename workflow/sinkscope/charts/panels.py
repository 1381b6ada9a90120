"""Small multiples that experiments share: a panel a model, lines by layer; and their words."""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt
import polars as pl

from sinkscope.charts import words
from sinkscope.charts.models import FEW
from sinkscope.charts.theme import data_source

Look = tuple[str, tuple[int, ...]]  # colour, dash


MOST_IN_A_ROW = 5  # entries of a legend that fit above three panels


def looks(field: str, by_name: Mapping[str, Look]) -> dict[str, alt.Color | alt.StrokeDash]:
    """Colour and dash of lines, with one legend in the order of by_name."""
    names = list(by_name)
    columns = 3 if len(names) > MOST_IN_A_ROW else len(names)
    legend = alt.Legend(symbolType="stroke", symbolSize=400, columns=columns)
    colours, dashes = zip(*by_name.values(), strict=True)
    return {
        "color": alt.Color(f"{field}:N", title=None, legend=legend).scale(
            domain=names, range=list(colours)
        ),
        "strokeDash": alt.StrokeDash(f"{field}:N", title=None, legend=legend).scale(
            domain=names, range=[list(dash) for dash in dashes]
        ),
    }


def layer_panels(
    drawn: pl.DataFrame, y: alt.Y, by_name: Mapping[str, Look], columns: int = 3
) -> alt.FacetChart:
    """drawn: model, layer, line, value; a panel a model, each with its own layers along x."""
    x = alt.X("layer:Q", title="layer", scale=alt.Scale(nice=False, padding=6))
    line = (
        alt.Chart(width=200, height=130)
        .mark_line(point=alt.OverlayMarkDef(size=14))
        .encode(
            x=x.axis(format="d", tickMinStep=1, tickCount=6),
            y=y,
            **looks("line", by_name),
            tooltip=[
                alt.Tooltip("model:N"),
                alt.Tooltip("line:N"),
                alt.Tooltip("layer:Q"),
                alt.Tooltip("value:Q", format=".4f"),
            ],
        )
    )
    panel = alt.Facet("model:N", title=None)
    return line.facet(
        facet=panel, columns=columns, data=data_source(drawn), spacing=16
    ).resolve_scale(x="independent")


def long(frame: pl.DataFrame, lines: Mapping[str, str], by: list[str]) -> pl.DataFrame:
    """`by`, line, value: columns of `frame` as lines. lines: column to name of the line."""
    return (
        frame.select(*by, *(pl.col(column).alias(name) for column, name in lines.items()))
        .unpivot(list(lines.values()), index=by, variable_name="line", value_name="value")
        .with_columns(pl.col("value").fill_nan(None))
        .drop_nulls("value")
    )


def models_or_number(names: list[str]) -> str:
    """The models by name where they are few."""
    return words.listed(names) if len(names) <= FEW else words.counted(len(names), "model")
