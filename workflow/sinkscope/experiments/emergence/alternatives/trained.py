"""The trained models with each kind of attention, in numbers."""

import json

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.theme import rounded
from sinkscope.experiments.emergence.growth import NO_TEXT, TEXTS, WINDOW, finished
from sinkscope.experiments.emergence.kinds import best_layers, compared
from sinkscope.findings.finding import Facts, Finding
from sinkscope.means import over_documents

# Headings, with the columns of the data and the format of numbers; a bar ends the first line of a
# heading.
COLUMNS = {
    "attention": ("kind", ""),
    "held-out|loss": ("loss", ".3f"),
    "strongest|layer": ("layer", "d"),
    "first|token": ("first_token", ".3f"),
    "sum of|a row": ("row_sum", ".3f"),
    "virtual|key": ("virtual", ".3f"),
    "largest|state": ("largest", ".0f"),
    "times|median": ("times_median", ",.0f"),
    "value, to|others'": ("value", ".2f"),
}
NONE = "\u2013"  # in place of a number that a model does not have
# Attention with a key that belongs to no token: what a row lacks to 1 is its part.
VIRTUAL = ("softmax_off_by_one", "learned_sink")

FINDING = (
    "Of {{ lowest | phrased('{family}, {model} has the lowest held-out loss, {below:.3f} nats "
    "per token below {highest}') | join('; of ') }}."
    "{% if virtual %} The virtual key takes up to {{ virtual | phrased('{virtual:.2f} of the "
    "attention of a layer in {model}') | listed }}.{% endif %}"
    "{% if states %} The largest entry of a state is {{ states | phrased('{times_median:,.0f} "
    "times the median with {kind}') | listed }}.{% endif %}"
)


def figure(tables: Tables) -> Figure | None:
    """A table with one row per model; in pictures, its texts are marks."""
    rows = compared(tables)
    if rows.is_empty():
        return None
    values = ["family", "model", "kind", "tokens", "layer", "first_token", "row_sum", "share"]
    best = best_layers(rows).select(*values, loss="heldout_loss")
    drawn = rounded(with_states(best.join(virtual_keys(rows), on="model", how="left"), tables))
    return Figure(
        name="alternatives_trained",
        title="The trained models in numbers",
        finding=Finding(FINDING, facts(drawn)),
        caption=(
            "Held-out loss at the end of training; the layer that gives the first token most "
            "attention, that attention, and the sum of the layer's rows; the most that a "
            "virtual key takes in any layer; means over heads, queries and held-out windows of "
            f"{WINDOW} tokens. {NO_TEXT.format(TEXTS)} "
            "Over the documents of this run, if the experiment norms is switched on: the largest "
            "entry of a residual state, in itself and over the median of its layer and document "
            "(massive: over 100 and over 1,000 times), and the norm of the first token's value "
            "over that of other tokens, in the strongest layer (geometric mean over documents). "
            f"n = {words.counted(drawn.height, 'model')}. "
            "Unit: nats per token; attention; part of 1; activation; ratios."
        ),
        chart=chart(drawn),
        data=drawn,
        table=as_table(drawn),
    )


def as_table(drawn: pl.DataFrame) -> list[list[str]]:
    """The headings, then the cells of each model, as text."""
    rows = [["model", *(heading.replace("|", " ") for heading in COLUMNS)]]
    for row in drawn.iter_rows(named=True):
        cells = ((row[column], form) for column, form in COLUMNS.values())
        texts = (NONE if value is None else format(value, form) for value, form in cells)
        rows.append([row["model"], *texts])
    return rows


def virtual_keys(rows: pl.DataFrame) -> pl.DataFrame:
    """model, virtual: the attention on the virtual key in the layer where it is largest. rows:
    frame returned by compared."""
    lacking = finished(rows).filter(pl.col("attention").is_in(VIRTUAL))
    return lacking.group_by("model").agg(virtual=(1 - pl.col("row_sum")).max())


def with_states(models: pl.DataFrame, tables: Tables) -> pl.DataFrame:
    """The models with the columns largest and times_median (of the entries of their states) and
    value (norm of the first token's value over others', in their layer); null without tables."""
    if not {"activations", "norm_ratios"} <= set(tables):
        nothing = pl.lit(None, pl.Float64)
        return models.with_columns(largest=nothing, times_median=nothing, value=nothing)
    size = pl.col("activation").abs()
    times = (size / pl.col("median")).max()
    states = tables["activations"].group_by("model").agg(largest=size.max(), times_median=times)
    ratios = tables["norm_ratios"].filter(sink="first_token")
    first = over_documents(ratios, ["model", "layer"], ["value"], log=["value"])
    return models.join(states, on="model", how="left").join(
        first.select("model", "layer", "value"), on=["model", "layer"], how="left"
    )


def facts(drawn: pl.DataFrame) -> Facts:
    states = drawn.drop_nulls("times_median").select("model", "kind", "times_median")
    return {
        "lowest": lowest_losses(drawn),
        "virtual": drawn.drop_nulls("virtual").select("model", "virtual").to_dicts(),
        "states": states.to_dicts(),
    }


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
    axis = alt.Axis(
        orient="top", labelAngle=0, ticks=False, domain=False, title=None,
        labelExpr="split(datum.label, '|')", labelPadding=18,
    )  # fmt: skip
    x = alt.X("column:N", sort=list(COLUMNS), axis=axis)
    texts = [
        alt.Chart()
        .transform_calculate(text=as_text(column, form), column=json.dumps(heading))
        .mark_text(fontSize=11.5)
        .encode(x=x, y=y, text="text:N")
        for heading, (column, form) in COLUMNS.items()
    ]
    height = 32 * len(models)
    return alt.LayerChart(layer=texts, width=800, height=height)


def as_text(column: str, form: str) -> str:
    """A Vega expression: the number of a column, or NONE; or a name."""
    if not form:
        return f"datum.{column}"
    return f"isValid(datum.{column}) ? format(datum.{column}, '{form}') : '{NONE}'"
