"""Every head: its induction score against what it gives the first token of ordinary text."""

from __future__ import annotations

import altair as alt
import polars as pl

from sinkscope.charts import words
from sinkscope.charts.figure import Figure
from sinkscope.charts.induction_patterns import head_name
from sinkscope.charts.theme import data_source, one_row, rounded

INDUCTION, OTHERS = "induction heads", "all other heads"
PEERS = "other heads of the same layers"
# Of a group of heads: colour and shape of its mark.
LOOKS = {
    INDUCTION: ("#d55e00", "circle"),
    PEERS: ("#009e73", "triangle-up"),
    OTHERS: ("#0072b2", "diamond"),
}
SOURCE = "Guo et al. 2024 call heads dormant that rest on the first token"


def looks() -> dict[str, alt.Color | alt.Shape]:
    """Colour and shape of the field `kind`, with one legend."""
    colours, shapes = zip(*LOOKS.values(), strict=True)
    kinds = list(LOOKS)
    return {
        "color": alt.Color("kind:N", title=None).scale(domain=kinds, range=list(colours)),
        "shape": alt.Shape("kind:N", title=None).scale(domain=kinds, range=list(shapes)),
    }


def every_head(rest: pl.DataFrame) -> Figure:
    """A panel a model, a dot a head: induction score against attention to the first token."""
    drawn = rounded(rest).with_columns(
        kind=pl.when("is_induction").then(pl.lit(INDUCTION)).otherwise(pl.lit(OTHERS))
    )
    threshold = drawn["threshold"][0]
    axis = alt.Axis(values=[0, 0.25, 0.5, 0.75, 1], format=".2~f", grid=True)
    dots = (
        alt.Chart()
        .mark_point(filled=True, size=34, opacity=0.75)
        .encode(
            x=alt.X("induction_score:Q", title="induction score").scale(domain=[0, 1]).axis(axis),
            y=alt.Y("first_token:Q", title="attention to the first token")
            .scale(domain=[0, 1])
            .axis(axis),
            **looks(),
            tooltip=[
                alt.Tooltip("model:N"),
                alt.Tooltip("layer:O"),
                alt.Tooltip("head:O"),
                alt.Tooltip("induction_score:Q", title="induction score", format=".4f"),
                alt.Tooltip("first_token:Q", title="first token", format=".4f"),
                alt.Tooltip("over_half:Q", title="queries over half", format=".1%"),
            ],
        )
    )
    rule = alt.Chart(one_row()).mark_rule(strokeDash=[4, 3], opacity=0.7)
    rule = rule.encode(x=alt.datum(threshold))
    chart = alt.layer(rule, dots, width=190, height=170).facet(
        facet=alt.Facet("model:N", title=None), columns=3, data=data_source(drawn)
    )
    return Figure(
        name="induction_heads_at_rest",
        title="Induction score and attention to the first token, head by head",
        finding=most_and_least(rest, threshold),
        caption=(
            f"A panel a model, a mark a head; dashed: the score of induction heads, {threshold:g}. "
            "Along x the induction score, on repeated random tokens; along y the mean over queries "
            f"of A[l,h,i,0], on ordinary text, mean over documents. {SOURCE}. "
            f"n = {words.ranged(rest.group_by('model').len()['len'].to_list())} heads a model. "
            "Unit: part of 1, both linear."
        ),
        chart=chart,
        data=drawn,
    )


def most_and_least(rest: pl.DataFrame, threshold: float) -> str:
    order = ["first_token", "model", "layer", "head"]
    found = rest.filter(pl.col("is_induction")).sort(order, descending=[True, False, False, False])
    if found.is_empty():
        return f"No head is right of the dashed line, at an induction score of {threshold:g}."
    most, least = (head_name(row) for row in (found.row(0, named=True), found.row(-1, named=True)))
    high, low = (words.mass(found["first_token"][place]) for place in (0, -1))
    if found.height == 1:
        return f"The only induction head, {most}, gives the first token {high} of its attention."
    return (
        f"Of {found.height} induction heads, {most} gives the first token most of its attention "
        f"({high}), {least} least ({low})."
    )
