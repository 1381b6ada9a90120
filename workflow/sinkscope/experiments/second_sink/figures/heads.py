"""Single heads: one that joins the pieces of words, and one that attends to the first token."""

import polars as pl

from sinkscope import words
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.patterns import LEAST_DRAWN
from sinkscope.experiments.second_sink.figures.maps import pictured
from sinkscope.findings.finding import Finding

BY = ["layer", "head"]
SINGLE = (
    "{% for row in heads %}"
    "{{ 'On this text ' if loop.first else '; ' }}{{ row | head_name }} gives the first token "
    "{{ row.first_token | mass }} of its attention"
    "{% endfor %}."
)


def figure(tables: Tables) -> Figure | None:
    drawing = pictured(tables, tables["second_sink_heads"], BY)
    if drawing is None:
        return None
    drawn, visible, chart = drawing
    n_models = words.counted(drawn["model"].n_unique(), "model")
    return Figure(
        name="second_sink_heads",
        title="Single heads",
        finding=Finding(SINGLE, {"heads": to_first(drawn).to_dicts()}),
        caption=(
            "Attention from every query (rows) to every key (columns), of single heads. Wray 2023 "
            "shows two of Llama-2-7B, one that joins the pieces of words and one that attends to "
            "the BOS. Here: the heads of the setting second_sink_heads that the model has; if "
            "none, two heads: in layer 0, the head with most attention from a query to earlier "
            "pieces of its own word; in the layer at the relative depth of layer 5 of 32, the "
            "head with most attention on key 0. "
            "Orange ticks above: key 0 and the first terminator. Formula: A[l,h,i,j]. Attention "
            "below "
            f"{LEAST_DRAWN} is left blank. n = {n_models}, those whose "
            "first terminator gets most, one text each. Unit: part of 1, linear scale. Positions, "
            "layers and heads count from 0."
        ),
        chart=chart.resolve_scale(color="shared"),
        data=visible,
    )


def to_first(drawn: pl.DataFrame) -> pl.DataFrame:
    """model, layer, head, first_token: per model, the head with most attention on key 0, mean over
    the queries after it."""
    rows = drawn.filter(pl.col("key") == 0, pl.col("query") > 0)
    heads = rows.group_by("model", *BY).agg(first_token=pl.col("attention").mean())
    ordered = heads.sort("first_token", "model", *BY, descending=[True, False, False, False])
    return ordered.group_by("model", maintain_order=True).first()
