"""Norms of every position and layer, for the models whose first token stands out most."""

from __future__ import annotations

import altair as alt
import polars as pl

from sinkscope.charts import words
from sinkscope.charts.figure import Figure
from sinkscope.charts.induction_patterns import of_model
from sinkscope.charts.select import axis_length
from sinkscope.charts.theme import data_source, one_row, rounded
from sinkscope.reduce.norms import QUANTITIES

MOST_MODELS, MOST_POSITIONS = 3, 40
CELL_WIDTH = 5
# Smaller than the median: blue; larger: orange.
SCALE = alt.Scale(
    type="log", domain=[0.1, 1, 10], range=["#0072b2", "#f4f1ea", "#d55e00"], clamp=True
)


def figures(norms: pl.DataFrame, ratios: pl.DataFrame) -> list[Figure]:
    """norms: the table. ratios: means over documents, which say who stands out."""
    first = ratios.filter(pl.col("sink") == "first_token")
    by_state = first.group_by("model").agg(pl.col("state").max()).drop_nulls()
    order = by_state.sort("state", "model", descending=[True, False])["model"].to_list()
    there = set(norms["model"])
    models = [name for name in order if name in there][:MOST_MODELS]
    if not models:
        return []
    own = norms.filter(pl.col("model").is_in(models))
    lengths = own.group_by("document").agg(
        n=pl.col("model").n_unique(), length=pl.col("position").max().cast(pl.Int64)
    )
    # The shortest document that fills the panels, else the longest.
    enough = lengths.filter(pl.col("n") == len(models)).with_columns(
        short=pl.col("length") + 1 < MOST_POSITIONS
    )
    order_of = ["short", pl.when("short").then(-pl.col("length")).otherwise("length"), "document"]
    document = enough.sort(order_of)["document"][0]
    drawn = own.filter(pl.col("document") == document)
    return [by_position(drawn, models, document)]


def by_position(own: pl.DataFrame, models: list[str], document: str) -> Figure:
    drawn = rounded(
        own.with_columns(
            pl.col(name) / pl.col(name).median().over("model", "layer") for name in QUANTITIES
        )
        .filter(pl.col("position") < MOST_POSITIONS)
        .select("model", "layer", "position", "token", *QUANTITIES)
        .sort("model", "layer", "position")
    )
    rows = []
    for model in models:
        n_layers = axis_length(drawn.filter(pl.col("model") == model), "layer")
        panels = [panel(model, name, n_layers, is_left=name == "state") for name in QUANTITIES]
        rows.append(alt.hconcat(*panels, spacing=12, title=alt.TitleParams(model, fontSize=11)))
    chart = alt.vconcat(*rows, spacing=14, data=data_source(drawn)).resolve_scale(color="shared")
    extreme = (
        drawn.filter(pl.col("position") > 0)
        .sort("value", "model", "layer", "position")
        .row(0, named=True)
    )
    return Figure(
        name="norms_positions",
        title="Norms of every position and layer",
        finding=(
            f"After the first, the token with the smallest value is “{extreme['token']}” at "
            f"{extreme['position']}, in layer {extreme['layer']} of {extreme['model']}: "
            f"{extreme['value']:.2f} {words.TIMES} the median of its layer."
        ),
        caption=(
            "Formula: L2 norm of state, key (mean over heads) and value (mean over heads) of a "
            "position, over the median of all positions of that layer. The state is the one that "
            f"enters the layer. The first {MOST_POSITIONS} positions of {document}, of the "
            f"{words.counted(len(models), 'model')} whose first token has the largest state. n = 1 "
            "document; all are in the table norms. Unit: ratio, logarithmic scale, cut at 0.1 and "
            "10. Layers and positions count from 0."
        ),
        chart=chart,
        data=drawn,
    )


def panel(model: str, name: str, n_layers: int, *, is_left: bool) -> alt.LayerChart:
    side = max(4, min(12, 150 // n_layers))
    axis = alt.Axis(values=list(range(0, MOST_POSITIONS, 10)), labelAngle=0, ticks=False)
    y = alt.Axis(labels=is_left, labelOverlap=True, ticks=False, domain=False)
    legend = alt.Legend(gradientLength=200, values=[0.1, 1, 10], format="~g", titleLimit=400)
    title = "norm, times the median (logarithmic)"
    cells = (
        of_model(model)
        .mark_rect(aria=False)  # thousands of cells: their names would be most of the file
        .encode(
            x=alt.X("position:O", title="position", axis=axis),
            y=alt.Y("layer:O", title="layer" if is_left else None, axis=y),
            color=alt.Color(f"{name}:Q", scale=SCALE, title=title, legend=legend),
            tooltip=[
                "position:O",
                "token:N",
                "layer:O",
                *(alt.Tooltip(f"{quantity}:Q", format=".3f") for quantity in QUANTITIES),
            ],
        )
    )
    # No title of the panel: titles stand farther left where an axis has labels.
    above = alt.Chart(one_row()).mark_text(align="left", baseline="bottom", fontSize=10)
    named = above.encode(x=alt.value(0), y=alt.value(-5), text=alt.value(name))
    return alt.LayerChart(
        layer=[cells, named], width=MOST_POSITIONS * CELL_WIDTH, height=n_layers * side
    )
