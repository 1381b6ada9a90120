"""Attention within a few tokens of the query, with and without the sinks."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import polars as pl

from sinkscope.charts import words
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.palette import WIDTH_COLOURS
from sinkscope.charts.select import axis_length, drawn_documents, with_mean
from sinkscope.charts.theme import (
    ALL_DOCUMENTS,
    OF_DOCUMENT,
    colours,
    data_source,
    document_picker,
    layer_axis,
    layer_width,
    rounded,
)
from sinkscope.keys import LOCAL_WIDTHS

PANELS = ("all keys", "without the sinks")


def long_form(heads: pl.DataFrame) -> pl.DataFrame:
    """document, layer, keys, width, mass: the mean over heads of each window."""
    columns = [column for column in heads.columns if column.startswith("local_")]
    return (
        heads.group_by("document", "layer")
        .agg(pl.col(columns).mean())
        .unpivot(index=["document", "layer"], variable_name="column", value_name="mass")
        .with_columns(
            keys=pl.when(pl.col("column").str.ends_with("_no_sinks"))
            .then(pl.lit(PANELS[1]))
            .otherwise(pl.lit(PANELS[0])),
            width=pl.col("column").str.extract(r"local_(\d+)").cast(pl.UInt8),
        )
        .drop("column")
    )


def local_mass(tables: Tables, model: str, documents: Sequence[str]) -> Figure:
    rows = long_form(tables["heads"])
    drawn = rounded(with_mean(rows, ["keys", "width", "layer"], ["mass"], documents))
    drawn = drawn.with_columns(pl.col("width").cast(pl.String))  # names of lines, not numbers
    n_layers, n_documents = axis_length(rows, "layer"), rows["document"].n_unique()
    by_width = {str(width): WIDTH_COLOURS[i] for i, width in enumerate(LOCAL_WIDTHS)}
    y = alt.Y("mass:Q", title="local mass (part of 1)", scale=alt.Scale(domain=[0, 1]))
    line = (
        alt.Chart(width=min(layer_width(n_layers), 330), height=220)
        .mark_line(point=alt.OverlayMarkDef(size=18))
        .encode(
            x=layer_axis(n_layers),
            y=y,
            color=colours("width", "within w tokens, w =", by_width),
            tooltip=[
                alt.Tooltip("layer:Q"),
                alt.Tooltip("width:N"),
                alt.Tooltip("keys:N"),
                alt.Tooltip("mass:Q", format=".4f"),
                alt.Tooltip("document:N"),
            ],
        )
    )
    chart = (
        line.facet(
            facet=alt.Facet("keys:N", title=None, sort=list(PANELS)),
            columns=2,
            data=data_source(drawn),
        )
        .add_params(document_picker(drawn_documents(drawn)))
        .transform_filter(OF_DOCUMENT)
    )
    return Figure(
        name="local_mass",
        title="Local mass by layer",
        subject=model,
        finding=most_local(drawn),
        caption=(
            "Formula: sum over |i - j| ≤ w of A[l,h,i,j], mean over queries i and heads h, for "
            "w = 1 to 5; on the right without the keys of “all sinks” (first token, special "
            f"tokens, first terminator). Mean over n = {words.counted(n_documents, 'document')}, "
            "or one document. Unit: part of 1, linear scale."
        ),
        chart=chart,
        data=drawn,
    )


def most_local(drawn: pl.DataFrame) -> str:
    widest = drawn.filter(
        pl.col("document") == ALL_DOCUMENTS, pl.col("width") == str(LOCAL_WIDTHS[-1])
    )
    by_layer = widest.pivot("keys", index="layer", values="mass").sort(
        PANELS[0], descending=True, nulls_last=True, maintain_order=True
    )
    peak = by_layer.row(0, named=True)
    return (
        f"Attention is most local in layer {peak['layer']}: {words.mass(peak[PANELS[0]])} of it "
        f"stays within {LOCAL_WIDTHS[-1]} tokens, {words.mass(peak[PANELS[1]])} when the sinks "
        "are left out."
    )
