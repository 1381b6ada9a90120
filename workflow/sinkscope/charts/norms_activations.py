"""Massive activations: the largest entries of residual states."""

from __future__ import annotations

import altair as alt
import polars as pl

from sinkscope.charts import words
from sinkscope.charts.figure import Figure
from sinkscope.charts.models import FEW
from sinkscope.charts.panels import Look, layer_panels, models_or_number
from sinkscope.charts.theme import rounded
from sinkscope.reduce.norms import MASSIVE, TIMES_MEDIAN

LINES: dict[str, Look] = {
    "largest": ("#d55e00", (1, 0)),
    "limit": ("#8a8f98", (6, 3)),
    "median": ("#0072b2", (2, 2)),
}


def figure(activations: pl.DataFrame, n_documents: str) -> Figure:
    size = pl.col("activation").abs()
    drawn = rounded(
        activations.group_by("model", "layer")
        .agg(
            largest=size.max(),
            median=pl.col("median").mean(),
        )
        .with_columns(limit=pl.max_horizontal(pl.col("median") * TIMES_MEDIAN, MASSIVE))
        .unpivot(list(LINES), index=["model", "layer"], variable_name="line", value_name="value")
        .sort("model", "layer", "line")
    )
    y = alt.Y("value:Q", title="magnitude", scale=alt.Scale(type="log"))
    return Figure(
        name="norms_activations",
        title="Massive activations",
        finding=where(activations),
        caption=(
            "The largest magnitude |x| among all entries of the residual states that enter a "
            "layer (largest over documents), and the median of all. Massive, after Sun et al. "
            f"2024: over {MASSIVE:g} and over {TIMES_MEDIAN:g} times the median (dashed: the "
            "limit). Every one, with its dimension and token, is in the table activations. n = "
            f"{n_documents}. Unit: magnitude, logarithmic scale. Layers count from 0."
        ),
        chart=layer_panels(drawn, y.axis(format="~g", tickCount=5), LINES),
        data=drawn,
    )


def where(activations: pl.DataFrame) -> str:
    massive = activations.filter("is_massive")
    names = activations["model"].unique().sort().to_list()
    if massive.is_empty():
        row = activations.sort(
            pl.col("activation").abs() / pl.col("median"), "model", descending=[True, False]
        ).row(0, named=True)
        largest = abs(row["activation"])
        return (
            f"There is no massive activation in {models_or_number(names)}; the largest beside "
            f"its layer's median is {largest:,.0f}, in layer {row['layer']} of {row['model']} "
            f"({largest / row['median']:,.0f} {words.TIMES} the median)."
        )
    found = massive["model"].unique().sort().to_list()
    parts = [of_model(massive.filter(pl.col("model") == name), name) for name in found[:FEW]]
    return (
        f"{len(found)} of {words.counted(len(names), 'model')} "
        f"{'have' if len(found) > 1 else 'has'} massive activations: {'; '.join(parts)}."
    )


def of_model(own: pl.DataFrame, name: str) -> str:
    """own: massive activations of one model."""
    counts = (
        own["dimension"]
        .value_counts(sort=True)
        .sort("count", "dimension", descending=[True, False])
    )
    dimensions = [str(value) for value in counts["dimension"].to_list()]
    shown = words.listed(dimensions[:FEW]) + (
        f" and {len(dimensions) - FEW} more" if len(dimensions) > FEW else ""
    )
    layers = own["layer"].unique().sort().to_list()
    first = own.filter(pl.col("position") == 0).height / own.height
    which = "dimension" if len(dimensions) == 1 else "dimensions"
    return (
        f"in {name} {which} {shown}, layers {layers[0]} to {layers[-1]}, "
        f"{words.percent(first)} of them at the first token, up to "
        f"{float(own.select(pl.col('activation').abs().max()).item()):,.0f}"
    )
