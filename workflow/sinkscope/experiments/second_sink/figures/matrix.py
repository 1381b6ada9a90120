"""Similarity of the first terminator's residual states, document by document."""

import math

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts.channels import heat, panels, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.strips import cell_axis, strip
from sinkscope.charts.of_documents import EVENLY, MOST_ROWS, shown_documents
from sinkscope.charts.theme import rounded
from sinkscope.experiments.second_sink.looks import STATE
from sinkscope.findings.finding import Finding

MOST_NAMED = 20  # documents whose names fit beside a panel
LEAST_ALIKE = (
    "{% set row = least[0] %}"
    "The least similar first terminators are those of {{ row.document }} and {{ row.other }} in "
    "{{ row.model }}, with a cosine of {{ row.cosine|decimals(3) }} in layer {{ row.layer }}."
)


def figure(tables: Tables) -> Figure | None:
    """One panel per model: its layer in the middle of the third quarter."""
    states = tables["second_sink_states"]
    if states.filter(pl.col("document") != pl.col("other")).is_empty():
        return None
    n_layers = pl.col("layer").max().over("model").cast(pl.Int64) + 1
    middle = states.filter(pl.col("layer") == 5 * n_layers // 8)
    middle = middle.sort("model", "document", "other")
    pairs = middle.filter(pl.col("document") > pl.col("other"))  # each pair once
    least = rounded(pairs.sort("cosine", "model", "document", "other").head(1))
    n_documents, n_models = middle["document"].n_unique(), middle["model"].n_unique()
    # As many rows of a document as documents are drawn.
    shown = shown_documents(middle["document"], n_models * math.isqrt(MOST_ROWS // n_models))
    drawn = rounded(middle.filter(pl.all_horizontal(pl.col("document", "other").is_in(shown))))
    some = f", {len(shown)} of them drawn, {EVENLY}" if len(shown) < n_documents else ""
    return Figure(
        name="second_sink_matrix",
        title="The first terminator's state, document by document",
        finding=Finding(LEAST_ALIKE, {"least": least.to_dicts()}),
        caption=(
            "Formula: cosine of the states of the first terminators of two documents, in the layer "
            f"in the middle of the third quarter of each model. {STATE}. Rows and columns are "
            "the same documents, in alphabetical order. "
            f"n = {words.counted(n_documents, 'document')}{some}. "
            "Unit: cosine, linear scale."
        ),
        chart=squares(drawn),
        data=drawn,
    )


def squares(drawn: pl.DataFrame) -> alt.FacetChart:
    n_documents = drawn["document"].n_unique()
    side = max(90, min(200, 16 * n_documents))
    cells = strip(
        alt.X("other:O", title=None, axis=cell_axis(labels=False)),
        alt.Y("document:O", title=None, axis=cell_axis(labels=n_documents <= MOST_NAMED)),
        heat("cosine", "cosine (linear; below 0 as 0)", clamp=True),
        tips("model:N", "layer:O", "document:N", ("other:N", "and"), ("cosine:Q", "", ".4f")),
    )
    return panels(cells.properties(width=side, height=side), "model", columns=4)
