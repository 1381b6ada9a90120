"""The sink score at key 0 of every head."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts.channels import by_document, heat, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.strips import cell_axis, strip
from sinkscope.charts.select import axis_length, drawn_documents, with_mean
from sinkscope.charts.theme import ALL_DOCUMENTS, data_source, rounded
from sinkscope.findings.finding import Finding

COLUMNS = ("layer", "head", "sink_score", "sink_score_low", "sink_score_high")
FINDING = (
    "{{ n_above | integer }} of {{ n_heads | counted('head') }} give key 0 more than "
    "{{ '%g' | format(epsilon) }} of their attention on average; the strongest is head {{ head }} "
    "of layer {{ layer }} with {{ sink_score | estimate(sink_score_low, sink_score_high) }}."
)


def figure(tables: Tables, model: str, documents: Sequence[str]) -> Figure:
    table = tables["heads"]
    drawn = rounded(with_mean(table, ["layer", "head"], ["sink_score"], documents))
    n_layers, n_heads = axis_length(table, "layer"), axis_length(table, "head")
    chart = strip(
        alt.X("layer:O", axis=cell_axis(), title="layer"),
        alt.Y("head:O", axis=cell_axis(), title="head"),
        heat("sink_score", "sink score at key 0 (linear)"),
        tips(
            "layer:O",
            "head:O",
            ("sink_score:Q", "sink score", ".4f"),
            ("sink_score_low:Q", "95 % interval from", ".4f"),
            ("sink_score_high:Q", "to", ".4f"),
            ("sink_score_n:Q", "documents"),
            "document:N",
        ),
    ).properties(
        data=data_source(drawn),
        width=min(760, max(240, n_layers * 26)),
        height=min(560, max(120, n_heads * 18)),
    )
    return Figure(
        name="heads",
        title="Sink score of every head",
        subject=model,
        finding=Finding(FINDING, strongest(drawn, tables["sink_rate"]["epsilon"][0])),
        caption=(
            "Sink score of key 0: alpha[l,h,0] = mean over queries i that can see key 0 of "
            "A[l,h,i,0]. "
            f"Mean over n = {words.counted(table['document'].n_unique(), 'document')}, or one "
            "document; the 95 % bootstrap interval of a mean is in its tooltip. Unit: part of 1, "
            "linear scale. Layers and heads count from 0."
        ),
        chart=by_document(chart, drawn_documents(drawn)),
        data=drawn,
    )


def strongest(drawn: pl.DataFrame, epsilon: float) -> dict[str, int | float | None]:
    """Facts: the head with the highest mean score, and how many heads score more than epsilon."""
    mean = drawn.filter(pl.col("document") == ALL_DOCUMENTS)
    ordered = mean.sort("sink_score", descending=True, nulls_last=True)
    return {
        **ordered.select(*COLUMNS).row(0, named=True),
        "n_above": int((mean["sink_score"] > epsilon).sum()),
        "n_heads": mean.height,
        "epsilon": epsilon,
    }
