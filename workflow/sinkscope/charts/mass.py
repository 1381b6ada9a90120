"""Sink mass by layer, and its histogram over documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from sinkscope.charts import words
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.palette import KEY_SET_COLOURS
from sinkscope.charts.select import axis_length, distinct_key_sets, drawn_documents, with_mean
from sinkscope.charts.theme import (
    OF_DOCUMENT,
    colours,
    data_source,
    document_picker,
    layer_axis,
    layer_width,
    limits,
    rounded,
)

SHOWN = ("first_token", "bos", "cls", "sep", "eos", "mask", "first_terminator", "sinks")
N_BINS = 20
FORMULA = "mass[l] = mean over queries i of the sum over keys j in the set of M[l,i,j]"


def labels_and_colours(key_sets: Sequence[str]) -> dict[str, str]:
    return {words.key_set_label(name): KEY_SET_COLOURS[name] for name in key_sets}


def with_labels(frame: pl.DataFrame) -> pl.DataFrame:
    label = pl.col("key_set").map_elements(words.key_set_label, return_dtype=pl.String)
    return frame.with_columns(label=label)


def largest(mean: pl.DataFrame) -> dict[str, Any]:
    """The row of `mean` (layer, key_set, mass) with the largest mass; ties to the first."""
    ordered = mean.sort("mass", descending=True, nulls_last=True, maintain_order=True)
    return ordered.row(0, named=True)


def sink_mass(tables: Tables, model: str, documents: Sequence[str]) -> Figure:
    table = tables["sink_mass"]
    key_sets = distinct_key_sets(table, SHOWN)
    rows = table.filter(pl.col("key_set").is_in(key_sets))
    drawn = with_mean(rows, ["key_set", "layer"], ["mass", "strict_mass"], documents)
    drawn = rounded(with_labels(drawn))
    n_layers, n_documents = axis_length(rows, "layer"), rows["document"].n_unique()
    single = drawn.filter(pl.col("document") == drawn["document"][0], pl.col("key_set") != "sinks")
    peak = largest(single)
    chart = (
        alt.Chart(data_source(drawn), width=layer_width(n_layers), height=280)
        .mark_line(point=alt.OverlayMarkDef(size=28), strokeWidth=2)
        .encode(
            x=layer_axis(n_layers),
            # Rows of attention other than softmax may sum to more than 1.
            y=alt.Y("mass:Q", title="sink mass (part of 1)").scale(
                domain=[0, max(1, limits(drawn["mass"])[1])]
            ),
            color=colours("label", "key set", labels_and_colours(key_sets)),
            tooltip=[
                alt.Tooltip("label:N", title="key set"),
                alt.Tooltip("layer:Q"),
                alt.Tooltip("mass:Q", format=".4f"),
                alt.Tooltip("strict_mass:Q", title="strict mass", format=".4f"),
                alt.Tooltip("document:N"),
            ],
        )
        .add_params(document_picker(drawn_documents(drawn)))
        .transform_filter(OF_DOCUMENT)
    )
    return Figure(
        name="sink_mass",
        title="Sink mass by layer",
        subject=model,
        finding=(
            f"The largest sink mass is that of the {_noun(peak['key_set'])} in layer "
            f"{peak['layer']}: {words.mass(peak['mass'])} of the attention"
            f"{words.mean_over(n_documents)}."
        ),
        caption=(
            f"Formula: {FORMULA}. “All sinks” joins the first token, the special tokens except "
            "the mask token, and the end of the first sentence. A line is one document or the mean "
            f"over n = {words.counted(n_documents, 'document')}. Unit: part of 1, linear scale. "
            "The strict form, in the tooltip and the CSV, leaves out queries that are in the set "
            "and the first query."
        ),
        chart=chart,
        data=drawn,
    )


def _noun(key_set: str) -> str:
    label = words.key_set_label(key_set)
    return label if key_set in words.KEY_SET_LABELS else f"{label} token"


def mass_histogram(tables: Tables, model: str) -> Figure:
    """Small multiples by layer: how many documents give a key set how much attention."""
    table = tables["sink_mass"]
    key_sets = distinct_key_sets(table, SHOWN[:-2])
    n_layers, n_documents = axis_length(table, "layer"), table["document"].n_unique()
    rows = table.filter(pl.col("key_set").is_in(key_sets)).drop_nulls("mass")
    lowest = (pl.col("mass") * N_BINS).floor().clip(0, N_BINS - 1) / N_BINS
    counts = (
        rows.with_columns(mass_from=lowest, mass_to=lowest + 1 / N_BINS)
        .group_by("layer", "key_set", "mass_from", "mass_to")
        .agg(n_documents=pl.len())
        .sort("layer", "key_set", "mass_from")
    )
    drawn = rounded(with_labels(counts))
    width, height, columns = panel_size(n_layers)
    x = alt.X("mass_from:Q", bin="binned", title="sink mass")
    x = x.scale(domain=[0, 1]).axis(values=[0, 0.5, 1], format="~g")
    y = alt.Y("n_documents:Q", title="documents", stack=None)
    y = y.scale(domain=[0, n_documents]).axis(tickMinStep=1, tickCount=2, format="d")
    bar = (
        alt.Chart(width=width, height=height)
        .mark_bar(opacity=0.65, binSpacing=0)
        .encode(
            x=x,
            x2="mass_to:Q",
            y=y,
            color=colours("label", "key set", labels_and_colours(key_sets)),
            tooltip=[
                alt.Tooltip("label:N", title="key set"),
                alt.Tooltip("layer:Q"),
                alt.Tooltip("mass_from:Q", title="mass from", format=".2f"),
                alt.Tooltip("mass_to:Q", title="to", format=".2f"),
                alt.Tooltip("n_documents:Q", title="documents"),
            ],
        )
    )
    panel = alt.Facet("layer:O", title=None)
    panel = panel.header(labelExpr="'layer ' + datum.value", labelPadding=2)
    return Figure(
        name="mass_histogram",
        title="Attention to special and first tokens, by document",
        subject=model,
        finding=majority(rows, n_documents),
        caption=(
            "Each panel is a layer; a bar counts the documents whose average attention to a key "
            f"set falls in a bin of 0.05. Formula: {FORMULA}. "
            f"n = {words.counted(n_documents, 'document')} a layer and key set. "
            "Unit: documents. Bars of different key sets overlap."
        ),
        chart=bar.facet(facet=panel, columns=columns, data=data_source(drawn), spacing=14),
        data=drawn,
    )


def majority(rows: pl.DataFrame, n_documents: int) -> str:
    """Where most documents spend more than half of their attention on one key set."""
    above = (
        rows.group_by("key_set", "layer")
        .agg(n=(pl.col("mass") > 0.5).sum(), mass=pl.col("mass").mean())
        .sort("n", "mass", "layer", descending=[True, True, False])
        .row(0, named=True)
    )
    if above["n"] == 0:
        return "In no layer and no document does one key set get more than half of the attention."
    return (
        f"In layer {above['layer']} the {_noun(above['key_set'])} gets more than half of the "
        f"attention in {above['n']} of {words.counted(n_documents, 'document')}."
    )


def panel_size(n_layers: int) -> tuple[int, int, int]:
    """Width, height and columns of small multiples by layer, to fill about 720 pixels."""
    if n_layers <= 12:
        return 200, 90, 3
    if n_layers <= 40:
        return 106, 56, 5
    return 62, 40, 8
