"""Heads: the map of sink scores at key 0, and entropy by layer."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import polars as pl

from sinkscope.charts import words
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.palette import HEAT_STOPS
from sinkscope.charts.select import axis_length, drawn_documents, with_mean
from sinkscope.charts.theme import (
    ALL_DOCUMENTS,
    OF_DOCUMENT,
    data_source,
    document_picker,
    layer_axis,
    layer_width,
    rounded,
)


def heads_map(tables: Tables, model: str, documents: Sequence[str]) -> Figure:
    table = tables["heads"]
    drawn = with_mean(table, ["layer", "head"], ["sink_score"], documents)
    drawn = rounded(drawn.with_columns(pl.col("sink_score").fill_nan(None)))
    n_layers, n_heads = axis_length(table, "layer"), axis_length(table, "head")
    n_documents = table["document"].n_unique()
    epsilon = tables["sink_rate"]["epsilon"][0]
    mean = drawn.filter(pl.col("document") == ALL_DOCUMENTS)
    strongest = mean.sort("sink_score", descending=True, nulls_last=True).row(0, named=True)
    n_above = int((mean["sink_score"] > epsilon).sum())
    ticks = alt.Axis(labelOverlap=True, labelAngle=0, ticks=False, domain=False)
    scale = alt.Scale(domain=[0, 1], range=list(HEAT_STOPS), interpolate="rgb")
    chart = (
        alt.Chart(
            data_source(drawn),
            width=min(760, max(240, n_layers * 26)),
            height=min(560, max(120, n_heads * 18)),
        )
        .mark_rect()
        .encode(
            x=alt.X("layer:O", axis=ticks, title="layer"),
            y=alt.Y("head:O", axis=ticks, title="head"),
            color=alt.Color(
                "sink_score:Q",
                scale=scale,
                title="sink score at key 0 (linear)",
                legend=alt.Legend(gradientLength=200, values=[0, 0.5, 1], format=".1f"),
            ),
            tooltip=[
                alt.Tooltip("layer:O"),
                alt.Tooltip("head:O"),
                alt.Tooltip("sink_score:Q", title="sink score", format=".4f"),
                alt.Tooltip("document:N"),
            ],
        )
        .add_params(document_picker(drawn_documents(drawn)))
        .transform_filter(OF_DOCUMENT)
    )
    return Figure(
        name="heads",
        title="Sink score of every head",
        subject=model,
        finding=(
            f"{words.integer(n_above)} of {words.counted(mean.height, 'head')} give key 0 more "
            f"than {epsilon:g} of their attention on average; the strongest is head "
            f"{strongest['head']} of layer {strongest['layer']} with "
            f"{words.mass(strongest['sink_score'])}."
        ),
        caption=(
            "Sink score of key 0: alpha[l,h,0] = mean over queries i that can see key 0 of "
            f"A[l,h,i,0]. Mean over n = {words.counted(n_documents, 'document')}, or one document. "
            "Unit: part of 1, linear scale. Layers and heads count from 0."
        ),
        chart=chart,
        data=drawn,
    )


def entropy(tables: Tables, model: str, documents: Sequence[str]) -> Figure:
    """Mean over heads, and the band that holds the middle 80 % of them."""
    value = pl.col("entropy")
    by_layer = (
        tables["heads"]
        .group_by("document", "layer")
        .agg(entropy=value.mean(), low=value.quantile(0.1), high=value.quantile(0.9))
    )
    drawn = rounded(with_mean(by_layer, ["layer"], ["entropy", "low", "high"], documents))
    n_layers = axis_length(by_layer, "layer")
    n_documents = by_layer.drop_nulls("entropy")["document"].n_unique()  # not those of one token
    mean = drawn.filter(pl.col("document") == ALL_DOCUMENTS).drop_nulls("entropy").sort("entropy")
    base = alt.Chart().encode(
        x=layer_axis(n_layers),
        tooltip=[
            alt.Tooltip("layer:Q"),
            alt.Tooltip("entropy:Q", format=".4f"),
            alt.Tooltip("low:Q", title="10 % of heads below", format=".4f"),
            alt.Tooltip("high:Q", title="10 % of heads above", format=".4f"),
            alt.Tooltip("document:N"),
        ],
    )
    y = alt.Y("entropy:Q", title="entropy (part of the maximum)", scale=alt.Scale(domain=[0, 1]))
    band = base.mark_area(opacity=0.2, color="#8a8f98").encode(y=alt.Y("low:Q"), y2="high:Q")
    line = base.mark_line(color="#5b7fa6", point={"size": 28, "color": "#5b7fa6"}).encode(y=y)
    chart = (
        alt.layer(band, line, data=data_source(drawn), width=layer_width(n_layers), height=220)
        .add_params(document_picker(drawn_documents(drawn)))
        .transform_filter(OF_DOCUMENT)
    )
    if mean.is_empty():
        finding = "No query of these documents sees more than one key, so there is no entropy."
    else:
        low, high = mean.row(0, named=True), mean.row(-1, named=True)
        finding = (
            f"Attention is most concentrated in layer {low['layer']} (entropy "
            f"{words.mass(low['entropy'])} of its maximum) and most spread in layer "
            f"{high['layer']} ({words.mass(high['entropy'])})."
        )
    return Figure(
        name="entropy",
        title="Entropy of attention by layer",
        subject=model,
        finding=finding,
        caption=(
            "Formula: mean over queries i ≥ 1 of H(A[l,h,i,:]) / log(number of visible keys). "
            "Line: mean over heads; band: from the 10th to the 90th percentile of heads. "
            f"Mean over n = {words.counted(n_documents, 'document')}, or one document. "
            "Unit: part of the maximum; 1 is attention spread evenly, 0 all on one key."
        ),
        chart=chart,
        data=drawn,
    )
