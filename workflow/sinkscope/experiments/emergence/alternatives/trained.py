"""The trained models with each kind of attention, in numbers."""

from __future__ import annotations

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.theme import data_source, rounded
from sinkscope.experiments.emergence.growth import WINDOW
from sinkscope.experiments.emergence.kinds import best_layers, compared
from sinkscope.findings.finding import Finding

# Columns of the drawn table, as Vega expressions.
COLUMNS = {
    "attention": "datum.kind",
    "held-out loss": "format(datum.loss, '.3f')",
    "strongest layer": "datum.layer",
    "first token": "format(datum.first_token, '.3f')",
    "sum of a row": "format(datum.row_sum, '.3f')",
    "part of the sum": "format(datum.share, '.3f')",
}

FINDING = (
    "Of {{ lowest | phrased('{family}, {model} has the lowest held-out loss, {below:.3f} nats "
    "per token below {highest}') | join('; of ') }}."
)


def figure(tables: Tables) -> Figure | None:
    """A table drawn as text marks, one row per model."""
    rows = compared(tables)
    if rows.is_empty():
        return None
    values = ["family", "model", "kind", "tokens", "layer", "first_token", "row_sum", "share"]
    drawn = rounded(best_layers(rows).select(*values, loss="heldout_loss"))
    return Figure(
        name="alternatives_trained",
        title="The trained models in numbers",
        finding=Finding(FINDING, {"lowest": lowest_losses(drawn)}),
        caption=(
            "Held-out loss at the end of training; the layer that gives the first token most, "
            "what it gives, the sum of its rows, and the first divided by the second; means over "
            f"heads, queries and held-out windows of {WINDOW} tokens. "
            f"n = {words.counted(drawn.height, 'model')}. "
            "Unit: nats per token; attention; part of 1."
        ),
        chart=chart(drawn),
        data=drawn,
    )


def lowest_losses(drawn: pl.DataFrame) -> list[dict[str, str | float]]:
    """The model with the lowest loss in each family; highest: the model with the highest."""
    loss = pl.col("loss")
    ordered = drawn.sort("family", "loss", "model").group_by("family", maintain_order=True)
    return ordered.agg(
        pl.col("model").first(),
        loss=loss.first(),
        below=loss.last() - loss.first(),
        highest=pl.col("model").last(),
    ).to_dicts()


def chart(drawn: pl.DataFrame) -> alt.LayerChart:
    models = drawn["model"].to_list()
    y = alt.Y("model:N", title=None, sort=models)
    y = y.axis(labelFontSize=12, labelPadding=8, grid=True, tickBand="extent")
    axis = alt.Axis(orient="top", labelAngle=0, ticks=False, domain=False, title=None)
    x = alt.X("column:N", sort=list(COLUMNS), axis=axis)
    texts = [
        alt.Chart()
        .transform_calculate(text=text, column=f"'{column}'")
        .mark_text(fontSize=11.5)
        .encode(x=x, y=y, text="text:N")
        for column, text in COLUMNS.items()
    ]
    height = 32 * len(models)
    return alt.LayerChart(data=data_source(drawn), layer=texts, width=680, height=height)
