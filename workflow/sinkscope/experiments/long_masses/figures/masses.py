"""Attention on the first token of long texts by layer, with the error of sampled queries."""

import altair as alt
import polars as pl

from sinkscope.charts.channels import panels, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.lines import Look, layer_axis_of_panel, line_looks, lines
from sinkscope.charts.palette import LINE_DASHES, MODEL_COLOURS
from sinkscope.charts.theme import rounded
from sinkscope.findings.finding import Finding

MOST = 4  # documents of a model that are drawn
FINDING = (
    "{% for row in models %}{% if not loop.first %}; {% endif %}"
    "{{ row.model }} gives the first of {{ row.n_tokens | integer }} tokens "
    "{{ row.mass | estimate(row.mass_low, row.mass_high) }} of the attention in layer "
    "{{ row.layer }}"
    "{% if row.n_queries < row.n_tokens %} (estimated from {{ row.n_queries | integer }} of "
    "{{ row.n_tokens | integer }} queries){% endif %}"
    "{% endfor %}."
)


def figure(tables: Tables) -> Figure | None:
    first = tables["long_masses"].filter(key_set="first_token")
    if first.is_empty():
        return None
    drawn = rounded(longest(first))
    return Figure(
        name="long_masses",
        title="Attention on the first token of long texts",
        finding=Finding(FINDING, {"models": strongest(drawn).to_dicts()}),
        caption=(
            "Attention on key 0, mean over heads and queries, by layer and document; of each model "
            f"the {MOST} longest documents. Rules: 95 % interval over the choice of queries, if "
            "they were sampled (the setting queries); it does not cover other texts. All layers "
            "of a document use the same queries, so their errors are correlated. Unit: part of "
            "1, linear scale."
        ),
        chart=chart(drawn),
        data=drawn,
    )


def longest(first: pl.DataFrame) -> pl.DataFrame:
    """Rows of the longest documents of each model; of equally long ones, the first by name."""
    documents = first.select("model", "document", "n_tokens").unique()
    documents = documents.sort("model", "n_tokens", "document", descending=[False, True, False])
    kept = documents.group_by("model", maintain_order=True).head(MOST)
    columns = ["mass", "mass_error", "mass_low", "mass_high"]
    return (
        first.join(kept.select("model", "document"), on=["model", "document"])
        .select("model", "document", "layer", "n_tokens", "n_queries", *columns)
        .sort("model", "document", "layer")
    )


def strongest(drawn: pl.DataFrame) -> pl.DataFrame:
    """The layer of each model that gives most, in its longest document."""
    order = drawn.sort("model", "n_tokens", "mass", "layer", descending=[False, True, True, False])
    columns = ["model", "n_tokens", "n_queries", "layer", "mass", "mass_low", "mass_high"]
    return order.group_by("model", maintain_order=True).head(1).select(columns)


def chart(drawn: pl.DataFrame) -> alt.FacetChart:
    """One panel per model, one line per document."""
    documents = drawn["document"].unique().sort().to_list()
    looks: dict[str, Look] = {
        name: (MODEL_COLOURS[i % len(MODEL_COLOURS)], LINE_DASHES[i % len(LINE_DASHES)])
        for i, name in enumerate(documents)
    }
    tooltip = tips(
        *("model:N", "document:N", "layer:Q", ("n_tokens:Q", "tokens"), ("n_queries:Q", "read")),
        *(("mass:Q", "attention", ".4f"), ("mass_error:Q", "standard error", ".4f")),
    )
    look = line_looks("document", looks)
    x, y = layer_axis_of_panel(), alt.Y("mass:Q", title="attention on the first token")
    line = lines(x, y, look, tooltip, width=310, height=200)
    low = alt.Y("mass_low:Q", title="attention on the first token")
    rule = alt.Chart().transform_filter("isValid(datum.mass_low)").mark_rule(strokeWidth=1.2)
    rule = rule.encode(x=x, y=low, y2="mass_high:Q", color=look["color"])
    layered = alt.LayerChart(layer=[rule, line])
    return panels(layered, "model", 2).resolve_scale(x="independent")
