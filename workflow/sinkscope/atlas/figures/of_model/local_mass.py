"""Attention within a few tokens of the query, with and without the sinks."""

from collections.abc import Sequence

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts import theme
from sinkscope.charts.channels import OF_ONE, by_document, estimated, panels, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.lines import mean_lines
from sinkscope.charts.of_documents import OF_PICKER, behind
from sinkscope.charts.palette import WIDTH_COLOURS
from sinkscope.charts.select import axis_length, drawn_documents, with_lengths, with_mean
from sinkscope.findings.finding import Finding
from sinkscope.keys import LOCAL_WIDTHS
from sinkscope.tables.blocks import Blocks
from sinkscope.tables.read import selected

PANELS = ("all keys", "without the sinks")
FINDING = (
    "Attention is most local in layer {{ layer }}: {{ mass | estimate(low, high) }} of it stays "
    "within {{ width }} tokens, {{ mass_no_sinks | estimate(low_no_sinks, high_no_sinks) }} when "
    "the sinks are left out."
)


def figure(tables: Tables, model: str, documents: Sequence[str]) -> Figure:
    blocks = Blocks(tables, "heads", long_form)
    masses = theme.known(with_mean(blocks, ["keys", "width", "layer"], ["mass"], documents))
    drawn = theme.rounded(
        masses.with_columns(pl.col("width").cast(pl.String))
    )  # a name, not a number
    n_layers, n_documents = axis_length(masses, "layer"), len(blocks.documents)
    by_width = dict(zip(map(str, LOCAL_WIDTHS), WIDTH_COLOURS, strict=True))
    drawn = with_lengths(drawn, tables["documents"])
    offered = drawn_documents(drawn)
    line = mean_lines(
        theme.layer_axis(n_layers),
        alt.Y("mass:Q", title="local mass (part of 1)", scale=alt.Scale(domain=[0, 1])),
        {"color": theme.colours("width", "within w tokens, w =", by_width)},
        tips(
            "layer:Q", "width:N", "keys:N", *estimated("mass"), ("mass_n:Q", "documents"), *OF_ONE
        ),
        field="mass",
        width=min(theme.layer_width(n_layers), 330),
        height=220,
        on_lines=theme.OF_DOCUMENT,
        on_points=theme.BEHIND_MEAN,
    )
    return Figure(
        name="local_mass",
        title="Local mass by layer",
        subject=model,
        finding=Finding(FINDING, most_local(masses)),
        caption=(
            "Formula: sum over |i - j| ≤ w of A[l,h,i,j], mean over queries i and heads h, for "
            "w = 1 to 5; on the right without the sinks of the layer, not rescaled. Mean over n "
            f"= {words.counted(n_documents, 'document')}, "
            f"or one document; {behind(drawn, n_documents, OF_PICKER)}. Unit: part of 1, linear "
            "scale."
        ),
        chart=by_document(panels(line, "keys", 2, PANELS), offered, filtered=False),
        data=drawn,
    )


def long_form(tables: Tables) -> pl.DataFrame:
    """document, layer, keys, width, mass: the mean over heads of each window."""
    columns = [f"local_{width}{end}" for width in LOCAL_WIDTHS for end in ("", "_no_sinks")]
    heads = selected(tables, "heads", ["document", "layer", *columns])
    without_sinks = pl.col("column").str.ends_with("_no_sinks")
    all_keys, without = (pl.lit(name) for name in PANELS)
    return (
        heads.group_by("document", "layer")
        .agg(pl.col(columns).mean())
        .unpivot(index=["document", "layer"], variable_name="column", value_name="mass")
        .with_columns(
            keys=pl.when(without_sinks).then(without).otherwise(all_keys),
            width=pl.col("column").str.extract(r"local_(\d+)").cast(pl.UInt8),
        )
        .drop("column")
    )


def most_local(masses: pl.DataFrame) -> dict[str, int | float | None]:
    """The layer with most attention within the widest window: means over documents, with their
    intervals, of all keys and without the sinks."""
    width = LOCAL_WIDTHS[-1]
    widest = masses.filter(pl.col("document") == theme.ALL_DOCUMENTS, pl.col("width") == width)
    values = ["layer", "mass", pl.col("mass_low").alias("low"), pl.col("mass_high").alias("high")]
    of_all, without = (widest.filter(pl.col("keys") == panel).select(values) for panel in PANELS)
    by_layer = of_all.join(without, on="layer", how="left", suffix="_no_sinks")
    peak = by_layer.sort("mass", descending=True, nulls_last=True, maintain_order=True)
    return {**peak.row(0, named=True), "width": width}
