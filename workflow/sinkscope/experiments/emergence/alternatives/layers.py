"""Attention to the first token by layer, with each kind of attention."""

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts.channels import panels, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.lines import lines
from sinkscope.charts.select import axis_length
from sinkscope.charts.theme import layer_axis
from sinkscope.experiments.emergence.growth import NO_TEXT, TEXTS, WINDOW, finished
from sinkscope.experiments.emergence.kinds import best_layers, compared, model_lines
from sinkscope.findings.finding import Finding

VALUES = {
    "first_token": "attention to the first token",
    "row_sum": "sum of a row of attention",
    "share": "first token as part of the sum",
}

FINDING = (
    "{% for family, rows in models | groupby('family', case_sensitive=true) %}"
    "{{ 'In' if loop.first else '; in' }} {{ family }} the first token gets up to "
    "{{ rows | phrased('{first_token:.2f} with {kind} (layer {layer}, {share:.2f} of its row)') "
    "| listed }}{% endfor %}."
)


def figure(tables: Tables) -> Figure | None:
    """Three panels per family: attention to the first token, the sum of a row, and their ratio."""
    rows = compared(tables)
    if rows.is_empty():
        return None
    last = finished(rows)
    drawn = in_panels(last)
    line = lines(
        layer_axis(axis_length(last, "layer")),
        alt.Y("amount:Q", title=None).scale(domainMin=0),
        model_lines(rows),
        tips("model:N", ("kind:N", "attention"), "layer:Q", ("amount:Q", "", ".4f")),
        width=220,
        height=190,
    )
    order = drawn["panel"].unique(maintain_order=True).to_list()
    strongest = best_layers(rows).select("model", "family", "kind", "layer", "first_token", "share")
    return Figure(
        name="alternatives_layers",
        title="The first token, by layer",
        finding=Finding(FINDING, {"models": strongest.to_dicts()}),
        caption=(
            "Formula: mean over heads and queries of A[l,h,i,0] (left) and of the sum over keys j "
            "of A[l,h,i,j] (middle; 1 with softmax), and the first divided by the second (right), "
            f"of the trained models over held-out windows of {WINDOW} tokens. "
            f"{NO_TEXT.format(TEXTS)} "
            f"n = {words.counted(last['model'].n_unique(), 'model')}. Unit: attention; part of 1 "
            "on the right. Layers count from 0."
        ),
        chart=panels(line, "panel", 3, order).resolve_scale(y="independent"),
        data=drawn,
    )


def in_panels(last: pl.DataFrame) -> pl.DataFrame:
    """family, model, kind, layer, value, amount, panel (the title of the value's panel)."""
    title = pl.col("value").replace_strict(VALUES)
    if last["family"].n_unique() > 1:
        title = pl.format("{}: {}", "family", title)
    index = ["family", "model", "kind", "layer"]
    rows = last.unpivot(list(VALUES), index=index, variable_name="value", value_name="amount")
    return rows.with_columns(panel=title)
