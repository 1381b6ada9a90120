"""Attention on the first terminator as a multiple of that on the first token."""

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.lines import mean_panels
from sinkscope.charts.of_documents import behind
from sinkscope.experiments.second_sink import looks
from sinkscope.experiments.second_sink.constants import OWN
from sinkscope.findings.finding import Finding

LINES = {(OWN, "ratio"): looks.TERMINATOR, (",", "ratio"): looks.COMMA}
NEAREST = (
    "{% set least = '%g'|format(threshold) %}"
    "{% for row in nearest %}"
    "Among layers where the first token gets {{ least }} of the attention or more, the ratio is "
    "largest in layer {{ row.layer }} of {{ row.model }}: "
    "{{ row.ratio|estimate(row.ratio_low, row.ratio_high) }} "
    "\u00d7 as much ({{ row.second_sink|mass }} to {{ row.first_token|mass }})."
    "{% else %}"
    "In no layer does the first token get {{ least }} of the attention, so no ratio is shown."
    "{% endfor %}"
)


def figure(tables: Tables) -> Figure | None:
    # A ratio of 0 has no place on a logarithmic axis.
    layers = tables["second_sink_layers"].filter(pl.col("ratio") > 0)
    texts = layers.filter(pl.col("mark") == OWN)
    if texts.is_empty():
        return None
    drawn = looks.mean_lines(tables, LINES).filter(pl.col("value") > 0)
    n_documents = tables["second_sink"]["document"].n_unique()
    strong = texts.filter(pl.col("first_token") >= pl.col("threshold"))
    nearest = strong.sort("ratio", "model", "layer", descending=[True, False, False]).head(1)
    facts = {
        "threshold": texts["threshold"][0],
        "nearest": nearest.select(
            "model", "layer", "^ratio.*$", "second_sink", "first_token"
        ).to_dicts(),
    }
    y = alt.Y("value:Q", title="times the first token's", scale=alt.Scale(type="log"))
    return Figure(
        name="second_sink_ratio",
        title="The first terminator relative to the first token",
        finding=Finding(NEAREST, facts),
        caption=(
            "Formula: attention of later queries to the first terminator, divided by that to key "
            "0; both as above, means over heads, queries and n = "
            f"{words.ranged(texts['n_documents'].to_list())} documents; "
            f"{behind(drawn, n_documents)}. In Llama-2 it is 0.88. "
            "The ratio says little if key 0 gets almost nothing. Unit: ratio, logarithmic scale. "
            "Layers count from 0."
        ),
        chart=mean_panels(drawn, y.axis(format="~g", tickCount=5), looks.of_lines(LINES)),
        data=drawn,
    )
