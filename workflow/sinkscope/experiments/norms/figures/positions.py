"""Norms of every position and layer, for the models whose first token has the largest state."""

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts.channels import above, only, panel_title, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.strips import cell_axis, cell_side, strip
from sinkscope.charts.select import axis_length
from sinkscope.charts.theme import rounded
from sinkscope.experiments.norms.constants import QUANTITIES
from sinkscope.experiments.norms.summary import of_models, unknown_keys
from sinkscope.findings.finding import Finding

MOST_MODELS, MOST_POSITIONS = 3, 40
CELL_WIDTH = 5
# Smaller than the median: blue; larger: orange.
SCALE = alt.Scale(
    type="log", domain=[0.1, 1, 10], range=["#0072b2", "#f4f1ea", "#d55e00"], clamp=True
)
LEGEND = alt.Legend(gradientLength=200, values=[0.1, 1, 10], format="~g", titleLimit=400)
SMALLEST = (
    "{% set row = smallest[0] %}"
    "After the first, the token with the smallest value is “{{ row.token }}” at "
    "{{ row.position }}, in layer {{ row.layer }} of {{ row.model }}: {{ row.value|times }} the "
    "median of its layer."
)


def figure(tables: Tables) -> Figure | None:
    models = strongest(tables)
    if not models:
        return None
    norms = tables["norms"].filter(pl.col("model").is_in(models))
    document = document_that_fills(norms, len(models))
    drawn = over_median(norms.filter(pl.col("document") == document))
    later = drawn.filter(pl.col("position") > 0).sort("value", "model", "layer", "position")
    smallest = later.head(1).select("model", "layer", "position", "token", "value")
    return Figure(
        name="norms_positions",
        title="Norms of every position and layer",
        finding=Finding(SMALLEST, {"smallest": smallest.to_dicts()}),
        caption=(
            "Formula: L2 norm of state, key (mean over heads) and value (mean over heads) of a "
            "position, over the median of all positions of that layer. The state is the one that "
            f"enters the layer. The first {MOST_POSITIONS} positions of {document}, of the "
            f"{words.counted(len(models), 'model')} whose first token has the largest state. n = 1 "
            "document; all are in the table norms. Unit: ratio, logarithmic scale, cut at 0.1 and "
            f"10. Layers and positions count from 0.{unknown_keys(norms)}"
        ),
        chart=rows_of(drawn, models),
        data=drawn,
    )


def strongest(tables: Tables) -> list[str]:
    """The models whose first token has the largest state in some layer."""
    first = of_models(tables["norm_ratios"].filter(pl.col("sink") == "first_token"))
    largest = first.group_by("model").agg(pl.col("state").max()).drop_nulls()
    order = largest.sort("state", "model", descending=[True, False])["model"]
    measured = set(tables["norms"]["model"])
    return [name for name in order if name in measured][:MOST_MODELS]


def document_that_fills(norms: pl.DataFrame, n_models: int) -> str:
    """A document that all models read: the shortest that fills the panels, else the longest."""
    lengths = norms.group_by("document").agg(
        n=pl.col("model").n_unique(), length=pl.col("position").max().cast(pl.Int64)
    )
    candidates = lengths.filter(pl.col("n") == n_models).with_columns(
        short=pl.col("length") + 1 < MOST_POSITIONS
    )
    by_length = pl.when("short").then(-pl.col("length")).otherwise("length")
    return candidates.sort("short", by_length, "document")["document"][0]


def over_median(norms: pl.DataFrame) -> pl.DataFrame:
    """Norms of the first positions, each divided by the median over all positions of its layer."""
    ratios = (pl.col(name) / pl.col(name).median().over("model", "layer") for name in QUANTITIES)
    return rounded(
        norms.with_columns(ratios)
        .filter(pl.col("position") < MOST_POSITIONS)
        .select("model", "layer", "position", "token", *QUANTITIES)
        .sort("model", "layer", "position")
    )


def rows_of(drawn: pl.DataFrame, models: list[str]) -> alt.VConcatChart:
    """One row of panels per model."""
    rows = []
    for model in models:
        n_layers = axis_length(drawn.filter(pl.col("model") == model), "layer")
        panels = [panel(model, name, n_layers) for name in QUANTITIES]
        rows.append(alt.hconcat(*panels, spacing=12, title=panel_title(model)))
    return alt.vconcat(*rows, spacing=14).resolve_scale(color="shared")


def panel(model: str, quantity: str, n_layers: int) -> alt.LayerChart:
    is_left = quantity == QUANTITIES[0]
    positions = alt.Axis(values=list(range(0, MOST_POSITIONS, 10)), labelAngle=0, ticks=False)
    layers = cell_axis(labels=is_left)
    title = "norm, times the median (logarithmic)"
    cells = strip(
        alt.X("position:O", title="position", axis=positions),
        alt.Y("layer:O", title="layer" if is_left else None, axis=layers),
        alt.Color(f"{quantity}:Q", scale=SCALE, title=title, legend=LEGEND),
        tips(*("position:O", "token:N", "layer:O"), *((f"{n}:Q", "", ".3f") for n in QUANTITIES)),
        base=only(model=model),
    )
    height = n_layers * cell_side(n_layers, 150, smallest=4, largest=12)
    return alt.LayerChart(
        layer=[cells, above(quantity)], width=MOST_POSITIONS * CELL_WIDTH, height=height
    )
