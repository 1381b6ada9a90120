"""Entropy of attention by layer: mean over heads, and the middle 80 % of them."""

from collections.abc import Sequence

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts import theme
from sinkscope.charts.channels import OF_ONE, by_document, estimated, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.lines import mean_lines
from sinkscope.charts.of_documents import OF_PICKER, behind
from sinkscope.charts.select import axis_length, drawn_documents, with_lengths, with_mean
from sinkscope.findings.finding import Finding
from sinkscope.tables.blocks import Blocks
from sinkscope.tables.read import selected

TITLE = "entropy (part of the maximum)"
FINDING = (
    "{% macro value(row) %}{{ row.entropy | estimate(row.entropy_low, row.entropy_high) }}"
    "{% endmacro %}"
    "{% if layers %}Attention is most concentrated in layer {{ layers[0].layer }} (entropy "
    "{{ value(layers[0]) }} of its maximum) and most spread in layer "
    "{{ layers[-1].layer }} ({{ value(layers[-1]) }})."
    "{% else %}No query of these documents sees more than one key, so there is no entropy."
    "{% endif %}"
)


def figure(tables: Tables, model: str, documents: Sequence[str]) -> Figure:
    blocks = Blocks(tables, "heads", by_layer)
    means = with_mean(blocks, ["layer"], ["entropy", "p10", "p90"], documents)
    columns = ("layer", "entropy", "entropy_low", "entropy_high", "entropy_n", "p10", "p90")
    drawn = theme.rounded(means.select("document", *columns))
    drawn = with_lengths(drawn, tables["documents"])
    offered = drawn_documents(drawn)
    # Documents of one token have none.
    n_documents = max(means["entropy_n"].drop_nulls(), default=0)
    mean = (
        drawn.filter(pl.col("document") == theme.ALL_DOCUMENTS)
        .drop_nulls("entropy")
        .sort("entropy")
    )
    layers = mean.select("layer", "entropy", "entropy_low", "entropy_high").to_dicts()
    chart = with_band(drawn, axis_length(means, "layer"))
    return Figure(
        name="entropy",
        title="Entropy of attention by layer",
        subject=model,
        finding=Finding(FINDING, {"layers": [layers[0], layers[-1]] if layers else []}),
        caption=(
            "Formula: mean over queries i ≥ 1 of H(A[l,h,i,:]) / log(number of visible keys). "
            "Line: mean over heads; grey: from the 10th to the 90th percentile of heads. "
            f"Mean over n = {words.counted(n_documents, 'document')}, or one document; in blue, "
            f"{behind(drawn, n_documents, OF_PICKER)}. "
            "Unit: part of the maximum; 1 is attention spread evenly, 0 all on one key."
        ),
        chart=by_document(chart, offered, filtered=False),
        data=drawn,
    )


def by_layer(tables: Tables) -> pl.DataFrame:
    """document, layer, and of the entropies of its heads the mean (entropy), p10 and p90."""
    value = pl.col("entropy")
    heads = selected(tables, "heads", ["document", "layer", "entropy"])
    return heads.group_by("document", "layer").agg(
        entropy=value.mean(), p10=value.quantile(0.1), p90=value.quantile(0.9)
    )


def with_band(drawn: pl.DataFrame, n_layers: int) -> alt.LayerChart:
    x, width = theme.layer_axis(n_layers), theme.layer_width(n_layers)
    y = alt.Y("entropy:Q", title=TITLE, scale=alt.Scale(domain=[0, 1]))
    tooltip = tips(
        "layer:Q",
        *estimated("entropy"),
        ("entropy_n:Q", "documents"),
        ("p10:Q", "10 % of heads below", ".4f"),
        ("p90:Q", "10 % of heads above", ".4f"),
        *OF_ONE,
    )
    line = mean_lines(
        x, y, {"color": alt.value("#5b7fa6")}, tooltip,
        field="entropy", width=width, height=220, on_lines=theme.OF_DOCUMENT,
        on_points=theme.BEHIND_MEAN,
    )  # fmt: skip
    heads = alt.Chart().transform_filter(theme.OF_DOCUMENT).mark_area(opacity=0.2, color="#8a8f98")
    heads = heads.encode(x=x, y=alt.Y("p10:Q", title=TITLE), y2="p90:Q", tooltip=tooltip)
    return alt.LayerChart(layer=[heads, *line.layer])
