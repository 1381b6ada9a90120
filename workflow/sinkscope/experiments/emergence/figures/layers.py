"""Which layers grow the sink during training."""

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts.channels import heat, panels, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.strips import cell_axis, strip
from sinkscope.charts.theme import limits, rounded
from sinkscope.charts.tokens_trained import decades, on_log_axis
from sinkscope.experiments.emergence import growth
from sinkscope.experiments.emergence.growth import APPEARED, MASS, NO_TEXT, TEXTS, UNTRAINED
from sinkscope.findings.finding import Facts, Finding

FINDING = (
    "In the end {{ n_above }} of {{ n_layers | counted('layer') }} give the sink {{ threshold }} "
    "of their attention or more; layer 0 is among them in {{ n_above_in_layer_0 or 'none' }} of "
    "{{ n_models | counted('model') }}; "
    "the strongest is {{ strongest | phrased("
    "'layer {layer} of {model} with {first_and_special:.2f}') | first }}."
)


def figure(tables: Tables) -> Figure | None:
    """One strip per model: layers along y, training along x, sink mass as colour."""
    log = growth.softmax_log(tables["emergence"])
    if log.is_empty():
        return None
    layers = growth.by_layer(log)
    drawn = rounded(with_edges(on_log_axis(layers)))
    n_heads = growth.finished(log).group_by("model").len()["len"].to_list()
    return Figure(
        name="emergence_layers",
        title="Which layers grow the sink",
        finding=finding(growth.finished(layers)),
        caption=(
            f"Layers in rows, training from left to right. Formula: {MASS}. {UNTRAINED} "
            f"{NO_TEXT.format(TEXTS)} n = {words.ranged(n_heads)} "
            "heads per model. Unit: part of 1, linear scale. Layers count from 0."
        ),
        chart=chart(drawn),
        data=drawn,
    )


def finding(last: pl.DataFrame) -> Finding:
    """last: rows of growth.by_layer at the last step of each model."""
    above = last.filter(pl.col("first_and_special") >= APPEARED)
    best = growth.strongest(last).sort("first_and_special", descending=True).head(1)
    facts: Facts = {
        "threshold": APPEARED,
        "n_layers": last.height,
        "n_above": above.height,
        "n_models": last["model"].n_unique(),
        "n_above_in_layer_0": above.filter(pl.col("layer") == 0).height,
        "strongest": best.select("model", "layer", "first_and_special").to_dicts(),
    }
    return Finding(FINDING, facts)


def with_edges(layers: pl.DataFrame) -> pl.DataFrame:
    """Adds start and stop: each measurement extends half-way to its neighbours on the axis."""
    at = pl.col("at").log()
    before = at.shift(1).over("model", "layer", order_by="step")
    after = at.shift(-1).over("model", "layer", order_by="step")
    return layers.select(
        "model",
        "layer",
        "step",
        "tokens",
        "at",
        mass="first_and_special",
        start=((at + before.fill_null(at)) / 2).exp(),
        stop=((at + after.fill_null(at)) / 2).exp(),
    ).sort("model", "layer", "step")


def chart(drawn: pl.DataFrame) -> alt.FacetChart:
    scale = alt.Scale(type="log", domain=limits(drawn["start"].append(drawn["stop"])), nice=False)
    cells = strip(
        alt.X("start:Q", title="tokens trained", scale=scale, axis=decades(drawn["start"])),
        alt.Y("layer:O", title="layer", axis=cell_axis()),
        heat("mass", "sink mass (linear)"),
        tips(
            "model:N",
            "layer:O",
            ("tokens:Q", "tokens trained", ","),
            ("mass:Q", "sink mass", ".4f"),
        ),
        x2="stop:Q",
    ).properties(width=138, height=alt.Step(13))
    each = panels(cells, "model", 4)
    return each.resolve_scale(y="independent").resolve_axis(x="independent")
