"""The induction score of every head against its attention to the first token of ordinary text."""

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts.channels import OF_ONE, estimated, only, panels, threshold, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.lines import IS_DOCUMENT, IS_MEAN, POINT
from sinkscope.charts.forms.marks import mark_looks, marks
from sinkscope.charts.of_documents import behind, with_points
from sinkscope.experiments.induction.heads import (
    INDUCTION,
    LOOKS,
    OTHERS,
    SOURCE,
    heads_per_model,
    on_ordinary_text,
)
from sinkscope.findings.finding import Finding

HEAD = ["model", "layer", "head"]
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
    n_points = heads.filter("is_induction").height
    single = of_documents(heads, tables["heads"])
    drawn = with_points(heads.with_columns(kind=kind), single, tables["documents"], n_points)
    limit, n_documents = heads["threshold"][0], tables["heads"]["document"].n_unique()
    return Figure(
        name="induction_heads_at_rest",
        title="Induction score and attention to the first token, head by head",
        finding=finding(heads),
        caption=(
            "One panel per model, one mark per head; dashed: the least score of induction heads, "
            f"{limit:g}. "
            "Along x the induction score, on repeated random tokens; along y the mean over queries "
            "of A[l,h,i,0], on ordinary text, mean over documents. Of induction heads: "
            f"{behind(drawn, n_documents, mark='rule')}; of the others single documents are in "
            f"the table heads. {SOURCE}. "
            f"n = {words.ranged(heads_per_model(heads))} heads per model. "
            "Unit: part of 1, both linear."
        ),
        chart=chart(limit),
        data=drawn,
    )


def of_documents(heads: pl.DataFrame, on_text: pl.DataFrame) -> pl.DataFrame:
    """Attention of induction heads to the first token in single documents. on_text: the table
    heads."""
    kept = heads.filter("is_induction").select(*HEAD, "induction_score", kind=pl.lit(INDUCTION))
    rows = on_text.select("document", *HEAD, "over_half", first_token="sink_score")
    return rows.join(kept, on=HEAD).sort(*HEAD, "document")


def finding(heads: pl.DataFrame) -> Finding:
    """The induction heads that give the first token most and least attention."""
    order = ["first_token", *HEAD]
    induction_heads = heads.filter("is_induction").sort(order, descending=[True, *[False] * 3])
    if induction_heads.is_empty():
        return Finding(NONE, {"threshold": heads["threshold"][0]})
    several = induction_heads.height > 1
    facts = [*order, "first_token_low", "first_token_high"]
    extremes = (induction_heads[[0, -1]] if several else induction_heads).select(facts).to_dicts()
    return Finding(
        SEVERAL if several else ONE, {"n_heads": induction_heads.height, "extremes": extremes}
    )


def chart(limit: float) -> alt.FacetChart:
    scale = alt.Scale(domain=[0, 1])
    axis = alt.Axis(values=[0, 0.25, 0.5, 0.75, 1], format=".2~f", grid=True)
    x = alt.X("induction_score:Q", title="induction score", scale=scale, axis=axis)
    y = alt.Y("first_token:Q", title="attention to the first token", scale=scale, axis=axis)
    look = mark_looks("kind", {kind: LOOKS[kind] for kind in (INDUCTION, OTHERS)})
    tooltip = tips(
        "model:N",
        "layer:O",
        "head:O",
        ("induction_score:Q", "induction score", ".4f"),
        *estimated("first_token", "first token"),
        ("first_token_n:Q", "documents"),
        ("over_half:Q", "queries over half", ".1%"),
        *OF_ONE,
    )
    dots = marks(x, y, look, tooltip, base=alt.Chart().transform_filter(IS_MEAN), size=34)
    point = alt.Chart().transform_filter(IS_DOCUMENT).mark_point(filled=True, size=9)
    point = point.encode(x=x, y=y, color=look["color"], opacity=alt.value(POINT), tooltip=tooltip)
    rule = (
        only(kind=INDUCTION)
        .transform_filter(IS_MEAN)
        .mark_rule(strokeWidth=1, opacity=0.7)
        .encode(x="induction_score:Q", y="first_token_low:Q", y2="first_token_high:Q")
    )
    panel = alt.LayerChart(layer=[threshold(limit), point, rule, dots], width=190, height=170)
    # With shared axes, the axes below panels of a full row are drawn below the last one.
    return panels(panel, "model", 3).resolve_axis(x="independent")
