"""Entropy of attention by layer: mean over heads, and the band of the middle 80 % of them."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts.channels import by_document, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.lines import lines
from sinkscope.charts.select import axis_length, drawn_documents, with_mean
from sinkscope.charts.theme import ALL_DOCUMENTS, data_source, layer_axis, layer_width, rounded
from sinkscope.findings.finding import Finding

FINDING = (
    "{% if layers %}Attention is most concentrated in layer {{ layers[0].layer }} (entropy "
    "{{ layers[0].entropy | mass }} of its maximum) and most spread in layer "
    "{{ layers[-1].layer }} ({{ layers[-1].entropy | mass }})."
    "{% else %}No query of these documents sees more than one key, so there is no entropy."
    "{% endif %}"
)


def figure(tables: Tables, model: str, documents: Sequence[str]) -> Figure:
    value = pl.col("entropy")
    by_layer = (
        tables["heads"]
        .group_by("document", "layer")
        .agg(entropy=value.mean(), low=value.quantile(0.1), high=value.quantile(0.9))
    )
    drawn = rounded(with_mean(by_layer, ["layer"], ["entropy", "low", "high"], documents))
    n_documents = by_layer.drop_nulls("entropy")[
        "document"
    ].n_unique()  # documents of one token have none
    mean = drawn.filter(pl.col("document") == ALL_DOCUMENTS).drop_nulls("entropy").sort("entropy")
    layers = mean.select("layer", "entropy").to_dicts()
    chart = with_band(drawn, axis_length(by_layer, "layer"))
    return Figure(
        name="entropy",
        title="Entropy of attention by layer",
        subject=model,
        finding=Finding(FINDING, {"layers": [layers[0], layers[-1]] if layers else []}),
        caption=(
            "Formula: mean over queries i ≥ 1 of H(A[l,h,i,:]) / log(number of visible keys). "
            "Line: mean over heads; band: from the 10th to the 90th percentile of heads. "
            f"Mean over n = {words.counted(n_documents, 'document')}, or one document. "
            "Unit: part of the maximum; 1 is attention spread evenly, 0 all on one key."
        ),
        chart=by_document(chart, drawn_documents(drawn)),
        data=drawn,
    )


def with_band(drawn: pl.DataFrame, n_layers: int) -> alt.LayerChart:
    x, width = layer_axis(n_layers), layer_width(n_layers)
    y = alt.Y("entropy:Q", title="entropy (part of the maximum)", scale=alt.Scale(domain=[0, 1]))
    tooltip = tips(
        "layer:Q",
        ("entropy:Q", "", ".4f"),
        ("low:Q", "10 % of heads below", ".4f"),
        ("high:Q", "10 % of heads above", ".4f"),
        "document:N",
    )
    line = lines(x, y, {"color": alt.value("#5b7fa6")}, tooltip, width=width, height=220)
    band = alt.Chart().mark_area(opacity=0.2, color="#8a8f98")
    band = band.encode(x=x, y="low:Q", y2="high:Q", tooltip=tooltip)
    return alt.LayerChart(data=data_source(drawn), layer=[band, line])
