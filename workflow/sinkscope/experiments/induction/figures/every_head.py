"""The induction score of every head against its attention to the first token of ordinary text."""

from __future__ import annotations

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts.channels import only, panels, threshold, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.marks import mark_looks, marks
from sinkscope.charts.theme import rounded
from sinkscope.experiments.induction.heads import (
    INDUCTION,
    LOOKS,
    OTHERS,
    SOURCE,
    heads_per_model,
    on_ordinary_text,
)
from sinkscope.findings.finding import Finding

NONE = (
    "No head is right of the dashed line, at an induction score of {{ '%g' | format(threshold) }}."
)
GIVEN = (
    "{% macro given(row) %}"
    "{{ row.first_token | estimate(row.first_token_low, row.first_token_high) }}{% endmacro %}"
)
ONE = GIVEN + (
    "The only induction head, {{ extremes[0] | head_name }}, gives the first token "
    "{{ given(extremes[0]) }} of its attention."
)
SEVERAL = GIVEN + (
    "{% set most, least = extremes %}"
    "Of {{ n_heads }} induction heads, {{ most | head_name }} gives the first token most of its "
    "attention ({{ given(most) }}), {{ least | head_name }} least ({{ given(least) }})."
)


def figure(tables: Tables) -> Figure | None:
    """One panel per model, one mark per head."""
    heads = on_ordinary_text(tables)
    if heads.is_empty():
        return None
    kind = pl.when("is_induction").then(pl.lit(INDUCTION)).otherwise(pl.lit(OTHERS))
    drawn = rounded(heads).with_columns(kind=kind)
    limit = drawn["threshold"][0]
    return Figure(
        name="induction_heads_at_rest",
        title="Induction score and attention to the first token, head by head",
        finding=finding(heads),
        caption=(
            "One panel per model, one mark per head; dashed: the least score of induction heads, "
            f"{limit:g}. "
            "Along x the induction score, on repeated random tokens; along y the mean over queries "
            "of A[l,h,i,0], on ordinary text, mean over documents; rule, of induction heads: its "
            f"95 % bootstrap interval. Single documents are in the table heads. {SOURCE}. "
            f"n = {words.ranged(heads_per_model(heads))} heads per model. "
            "Unit: part of 1, both linear."
        ),
        chart=chart(drawn, limit),
        data=drawn,
    )


def finding(heads: pl.DataFrame) -> Finding:
    """The induction heads that give the first token most and least attention."""
    order = ["first_token", "model", "layer", "head"]
    induction_heads = heads.filter(pl.col("is_induction")).sort(
        order, descending=[True, False, False, False]
    )
    if induction_heads.is_empty():
        return Finding(NONE, {"threshold": heads["threshold"][0]})
    several = induction_heads.height > 1
    facts = [*order, "first_token_low", "first_token_high"]
    extremes = (induction_heads[[0, -1]] if several else induction_heads).select(facts).to_dicts()
    return Finding(
        SEVERAL if several else ONE, {"n_heads": induction_heads.height, "extremes": extremes}
    )


def chart(drawn: pl.DataFrame, limit: float) -> alt.FacetChart:
    scale = alt.Scale(domain=[0, 1])
    axis = alt.Axis(values=[0, 0.25, 0.5, 0.75, 1], format=".2~f", grid=True)
    dots = marks(
        alt.X("induction_score:Q", title="induction score", scale=scale, axis=axis),
        alt.Y("first_token:Q", title="attention to the first token", scale=scale, axis=axis),
        mark_looks("kind", {kind: LOOKS[kind] for kind in (INDUCTION, OTHERS)}),
        tips(
            "model:N",
            "layer:O",
            "head:O",
            ("induction_score:Q", "induction score", ".4f"),
            ("first_token:Q", "first token", ".4f"),
            ("first_token_low:Q", "95 % interval from", ".4f"),
            ("first_token_high:Q", "to", ".4f"),
            ("first_token_n:Q", "documents"),
            ("over_half:Q", "queries over half", ".1%"),
        ),
        size=34,
    )
    rule = (
        only(kind=INDUCTION)
        .mark_rule(strokeWidth=1, opacity=0.7)
        .encode(x="induction_score:Q", y="first_token_low:Q", y2="first_token_high:Q")
    )
    panel = alt.LayerChart(layer=[threshold(limit), rule, dots], width=190, height=170)
    return panels(panel, drawn, "model", 3)
