"""Number of documents by the attention that they give a key set, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.atlas.figures.masses import FORMULA, SINGLE, labels_and_colours, with_labels
from sinkscope.charts.channels import tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.select import axis_length, distinct_key_sets
from sinkscope.charts.theme import colours, data_source, rounded
from sinkscope.findings.finding import Finding

N_BINS = 20
FINDING = (
    "{% if n_above %}In layer {{ layer }} the {{ key_set | key_set_noun }} gets more than half of "
    "the attention in {{ n_above }} of {{ n_documents | counted('document') }}."
    "{% else %}In no layer and no document does one key set get more than half of the attention."
    "{% endif %}"
)


def figure(tables: Tables, model: str, documents: Sequence[str]) -> Figure | None:
    """None for a single document."""
    table = tables["sink_mass"]
    if tables["documents"].height < 2:
        return None
    key_sets = distinct_key_sets(table, SINGLE)
    n_layers, n_documents = axis_length(table, "layer"), table["document"].n_unique()
    rows = table.filter(pl.col("key_set").is_in(key_sets)).drop_nulls("mass")
    drawn = rounded(with_labels(binned(rows)))
    return Figure(
        name="mass_histogram",
        title="Attention to special and first tokens, by document",
        subject=model,
        finding=Finding(FINDING, {**majority(rows), "n_documents": n_documents}),
        caption=(
            "Each panel is a layer; a bar counts the documents whose average attention to a key "
            f"set falls in a bin of 0.05. Formula: {FORMULA}. "
            f"n = {words.counted(n_documents, 'document')} per layer and key set. "
            "Unit: documents. Bars of different key sets overlap."
        ),
        chart=histograms(drawn, key_sets, n_layers, n_documents),
        data=drawn,
    )


def binned(rows: pl.DataFrame) -> pl.DataFrame:
    """layer, key_set, mass_from, mass_to, n_documents."""
    lowest = (pl.col("mass") * N_BINS).floor().clip(0, N_BINS - 1) / N_BINS
    by = ["layer", "key_set", "mass_from", "mass_to"]
    bins = rows.with_columns(mass_from=lowest, mass_to=lowest + 1 / N_BINS)
    return bins.group_by(by).agg(n_documents=pl.len()).sort(by)


def histograms(
    drawn: pl.DataFrame, key_sets: Sequence[str], n_layers: int, n_documents: int
) -> alt.FacetChart:
    width, height, columns = panel_size(n_layers)
    x = alt.X("mass_from:Q", bin="binned", title="sink mass")
    y = alt.Y("n_documents:Q", title="documents", stack=None)
    bar = (
        alt.Chart(width=width, height=height)
        .mark_bar(opacity=0.65, binSpacing=0)
        .encode(
            x=x.scale(domain=[0, 1]).axis(values=[0, 0.5, 1], format="~g"),
            x2="mass_to:Q",
            y=y.scale(domain=[0, n_documents]).axis(tickMinStep=1, tickCount=2, format="d"),
            color=colours("label", "key set", labels_and_colours(key_sets)),
            tooltip=tips(
                ("label:N", "key set"),
                "layer:Q",
                ("mass_from:Q", "mass from", ".2f"),
                ("mass_to:Q", "to", ".2f"),
                ("n_documents:Q", "documents"),
            ),
        )
    )
    panel = alt.Facet("layer:O", title=None)
    panel = panel.header(labelExpr="'layer ' + datum.value", labelPadding=2)
    return bar.facet(facet=panel, columns=columns, data=data_source(drawn), spacing=14)


def panel_size(n_layers: int) -> tuple[int, int, int]:
    """Width, height and columns of small multiples by layer, to fill about 720 pixels."""
    if n_layers <= 12:
        return 200, 90, 3
    if n_layers <= 40:
        return 106, 56, 5
    return 62, 40, 8


def majority(rows: pl.DataFrame) -> dict[str, str | int]:
    """key_set, layer, n_above: where most documents put more than half of their attention on one
    key set."""
    above = rows.group_by("key_set", "layer").agg(
        n_above=(pl.col("mass") > 0.5).sum(), mass=pl.col("mass").mean()
    )
    ordered = above.sort("n_above", "mass", "layer", descending=[True, True, False])
    return ordered.drop("mass").row(0, named=True)
