"""The values of one table in two runs, as a figure: run A along x, run B along y."""

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts.channels import tips
from sinkscope.charts.figure import Figure
from sinkscope.charts.theme import rounded
from sinkscope.compare.changes import BY_INTERVALS, TableChanges
from sinkscope.findings.finding import Finding

MOST_POINTS = 1500  # the largest changes
COLOURS = {"beyond the interval": "#d55e00", "within it, or without one": "#8a8f98"}
FINDING = (
    "{{ n_beyond }} of {{ n | counted('value') }} changed beyond the variation between "
    "documents, and {{ n_within }} within it."
)


def figure(table: TableChanges) -> Figure | None:
    """None if no value of the table changed."""
    changed = table.changes
    if changed.is_empty():
        return None
    beyond, other = COLOURS
    drawn = rounded(changed.head(MOST_POINTS)).select(
        *table.by,
        *("column", "a", "b", "change"),
        verdict=pl.when(pl.col("is_beyond")).then(pl.lit(beyond)).otherwise(pl.lit(other)),
    )
    colour = alt.Color("verdict:N", title=None).scale(
        domain=list(COLOURS), range=list(COLOURS.values())
    )
    fields = [f"{one}:N" for one in (*table.by, "column")]
    points = (
        alt.Chart()
        .mark_point(filled=True, size=30, opacity=0.7)
        .encode(
            x=alt.X("a:Q", title="run A"),
            y=alt.Y("b:Q", title="run B"),
            color=colour,
            shape=alt.Shape("verdict:N", title=None).scale(
                domain=list(COLOURS), range=["diamond", "circle"]
            ),
            tooltip=tips(*fields, "a:Q", "b:Q", "change:Q"),
        )
    )
    facts = {
        "n": table.n_compared,
        "n_beyond": table.n_beyond,
        "n_within": changed.height - table.n_beyond,
    }
    return Figure(
        name=f"{table.name}-changes",
        title=f"{table.name}: run A against run B",
        finding=Finding(FINDING, facts),
        caption=caption(table, drawn.height),
        chart=points.properties(width=420, height=320),
        data=drawn,
    )


def caption(table: TableChanges, n_drawn: int) -> str:
    if table.rule == BY_INTERVALS:
        rule = "beyond: the 95 % bootstrap intervals of A and B do not overlap"
    else:
        rule = (
            "means over the documents of both runs; beyond: the 95 % bootstrap interval of the "
            "mean difference B - A over documents does not include 0"
        )
    shown = f"n = {words.counted(n_drawn, 'changed value')}"
    if n_drawn < table.changes.height:
        shown += f" the largest of {table.changes.height:,}"
    return f"{shown}; {rule}. Values that did not change are not drawn."
