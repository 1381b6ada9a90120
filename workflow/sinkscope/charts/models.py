"""Figures that put all models side by side."""

from __future__ import annotations

import altair as alt
import polars as pl

from sinkscope.charts import words
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.histogram import COLUMNS, bars, class_colours, top
from sinkscope.charts.histogram import FORMULA as MAX_KEY
from sinkscope.charts.mass import FORMULA as MASS
from sinkscope.charts.mass import with_labels
from sinkscope.charts.palette import model_colour, model_dash
from sinkscope.charts.rate import mean_rate, windows
from sinkscope.charts.select import axis_length
from sinkscope.charts.theme import (
    ALL_MODELS,
    colours,
    data_source,
    layer_axis,
    rounded,
)
from sinkscope.keys import KEY_CLASSES

PANELS = ("first_token", "first_terminator", "sinks")
N_TOKENS = 5
CHOSEN = f"model === '{ALL_MODELS}' || datum.model === model"


def model_names(tables: Tables) -> list[str]:
    return tables["models"]["model"].unique().sort().to_list()


def model_picker(names: list[str]) -> alt.Parameter:
    """The parameter `model`: the one that stands out; the page binds its own picker to it."""
    bind = alt.binding_select(options=[ALL_MODELS, *names], name="model ")
    return alt.param(name="model", value=ALL_MODELS, bind=bind)


def model_colours(names: list[str]) -> alt.Color:
    return colours("model", "model", {name: model_colour(names, name) for name in names})


def standing_out() -> alt.typing.Optional:
    return alt.condition(CHOSEN, alt.value(1), alt.value(0.12))


def max_attention(tables: Tables) -> Figure:
    names = model_names(tables)
    histogram = tables["max_attention_tokens"]
    parts = [top(histogram.filter(pl.col("model") == name), N_TOKENS) for name in names]
    drawn = rounded(pl.concat(parts).select("model", *COLUMNS))
    classes = class_colours(drawn)
    panels = [
        bars(drawn.filter(pl.col("model") == name), "share of max keys", 250, classes)
        .properties(title=alt.TitleParams(name, fontSize=11))
        .transform_filter(alt.FieldEqualPredicate(field="model", equal=name))
        for name in names
    ]
    chart = alt.concat(*panels, columns=2, data=data_source(drawn)).resolve_scale(color="shared")
    firsts = drawn.group_by("model", maintain_order=True).first().sort("share", descending=True)
    sentences = [
        f"{words.token(row['token'], row['key_class'])} takes {words.percent(row['share'])} "
        f"in {row['model']}"
        for row in firsts.iter_rows(named=True)
    ]
    return Figure(
        name="max_attention_models",
        title="Top max keys of every model",
        finding=f"Of the max keys, {words.listed(sentences)}.",
        caption=(
            f"The {N_TOKENS} most frequent max keys of each model. Formula: {MAX_KEY}. "
            f"n = {_totals(histogram)} max keys (layers {words.TIMES} tokens, no padding). "
            "Unit: count, and share of the model's n."
        ),
        chart=chart,
        data=drawn,
    )


def _totals(histogram: pl.DataFrame) -> str:
    totals = histogram.group_by("model").agg(pl.col("count").sum()).sort("model")
    return words.listed([f"{words.integer(n)} ({name})" for name, n in totals.iter_rows()])


def key_classes(tables: Tables) -> Figure:
    """One bar a model, divided by key class."""
    names = model_names(tables)
    drawn = (
        tables["max_attention_tokens"]
        .group_by("model", "key_class")
        .agg(pl.col("count", "share").sum())
        .with_columns(order=pl.col("key_class").replace_strict(KEY_CLASSES, range(11)))
        .sort("model", "order")
    )
    drawn = rounded(drawn)
    word = drawn.filter(pl.col("key_class") == "word").sort("share")
    chart = (
        alt.Chart(data_source(drawn), width=640, height=34 * len(names))
        .mark_bar(height={"band": 0.68})
        .encode(
            x=alt.X("share:Q", title="share of max keys", axis=alt.Axis(format="%")).scale(
                domain=[0, 1]
            ),
            y=alt.Y("model:N", title=None, sort=names, axis=alt.Axis(labelFontSize=12)),
            color=colours("key_class", "key class", class_colours(drawn)),
            order="order:Q",
            opacity=standing_out(),
            tooltip=[
                alt.Tooltip("model:N"),
                alt.Tooltip("key_class:N", title="key class"),
                alt.Tooltip("count:Q", format=","),
                alt.Tooltip("share:Q", format=".2%"),
            ],
        )
        .add_params(model_picker(names))
    )
    on_words = {row["model"]: row["share"] for row in word.iter_rows(named=True)}
    least = min(names, key=lambda name: on_words.get(name, 0.0))
    return Figure(
        name="key_classes_models",
        title="Max keys by key class",
        finding=(
            f"Ordinary words are the max key of {words.percent(on_words.get(least, 0.0))} of the "
            f"queries in {least}"
            f"{', the smallest share of all models' if len(names) > 1 else ''}."
        ),
        caption=(
            f"Formula: {MAX_KEY}, summed by key class. n = "
            f"{_totals(tables['max_attention_tokens'])} max keys. Unit: share of the model's n."
        ),
        chart=chart,
        data=drawn,
    )


def sink_mass(tables: Tables) -> Figure:
    names = model_names(tables)
    table = tables["sink_mass"].filter(pl.col("key_set").is_in(PANELS))
    mean = table.group_by("model", "key_set", "layer").agg(pl.col("mass").mean())
    drawn = rounded(with_labels(mean)).sort("key_set", "model", "layer")
    n_layers = axis_length(table, "layer")
    dashes = alt.Scale(domain=names, range=[list(model_dash(names, name)) for name in names])
    order = [words.key_set_label(name) for name in PANELS]
    line = (
        alt.Chart(width=230, height=230)
        .mark_line(point=alt.OverlayMarkDef(size=16))
        .encode(
            x=layer_axis(n_layers).axis(tickCount=6, format="d", tickMinStep=1),
            y=alt.Y("mass:Q", title="sink mass (part of 1)", scale=alt.Scale(domain=[0, 1])),
            color=model_colours(names),
            strokeDash=alt.StrokeDash("model:N", scale=dashes),
            opacity=standing_out(),
            tooltip=[
                alt.Tooltip("model:N"),
                alt.Tooltip("layer:Q"),
                alt.Tooltip("label:N", title="key set"),
                alt.Tooltip("mass:Q", format=".4f"),
            ],
        )
    )
    first = drawn.filter(pl.col("key_set") == "first_token").sort("mass", descending=True)
    peaks = [
        f"{words.mass(row['mass'])} in layer {row['layer']} of {row['model']}"
        for row in first.group_by("model", maintain_order=True).first().iter_rows(named=True)
    ]
    panel = alt.Facet("label:N", title=None, sort=order)
    return Figure(
        name="sink_mass_models",
        title="Sink mass by layer",
        finding=f"The mass of the first token is largest with {words.listed(peaks)}.",
        caption=(
            f"Formula: {MASS}; mean over documents. “All sinks” joins the first token, the special "
            "tokens except the mask token, and the first terminator (. ? !). "
            f"n = {words.counted(tables['documents']['document'].n_unique(), 'document')}. "
            "Unit: part of 1, linear scale. Layers count from 0."
        ),
        chart=line.facet(facet=panel, columns=3, data=data_source(drawn)).add_params(
            model_picker(names)
        ),
        data=drawn,
    )


def sink_rate(tables: Tables) -> Figure:
    names = model_names(tables)
    rates = tables["sink_rate"]
    found = [
        (name, words.window_text(window), mean_rate(of_model, "first_token", window))
        for name in names
        for of_model in [rates.filter(pl.col("model") == name)]
        for window in windows(of_model)
    ]
    drawn = rounded(pl.DataFrame(found, schema=["model", "queries", "rate"], orient="row"))
    panels = [words.window_text(window) for window in windows(rates)]
    base = alt.Chart(width=250, height=26 * len(names)).encode(
        x=alt.X("rate:Q", title="sink rate at key 0", axis=alt.Axis(format="%")).scale(
            domain=[0, 1.12], nice=False
        ),
        y=alt.Y("model:N", title=None, sort=names, axis=alt.Axis(labelFontSize=12)),
        tooltip=["model:N", "queries:N", alt.Tooltip("rate:Q", format=".2%")],
        opacity=standing_out(),
    )
    bar = base.mark_bar(height={"band": 0.7}).encode(color=model_colours(names).legend(None))
    text = base.mark_text(align="left", dx=5).encode(text=alt.Text("rate:Q", format=".1%"))
    whole = drawn.filter(pl.col("queries") == words.window_text(None)).sort("rate")
    low, high = whole.row(0, named=True), whole.row(-1, named=True)
    finding = f"Over whole documents, {words.percent(high['rate'])} of the heads of {high['model']}"
    finding += " have a sink at key 0"
    if low["model"] != high["model"]:
        finding += f", {words.percent(low['rate'])} of those of {low['model']}"
    return Figure(
        name="sink_rate_models",
        title="Sink rate of every model",
        finding=f"{finding}.",
        caption=(
            "Formula: share of (document, layer, head) with sink score alpha[l,h,0] > epsilon = "
            f"{rates['epsilon'][0]:g}; over whole documents and over first tokens (the setting of "
            f"Gu et al.). n = {_cells(tables)} a model over whole documents. Unit: percent."
        ),
        chart=alt.layer(bar, text)
        .facet(
            facet=alt.Facet("queries:N", title=None, sort=panels),
            columns=2,
            data=data_source(drawn),
        )
        .add_params(model_picker(names)),
        data=drawn,
    )


def _cells(tables: Tables) -> str:
    """Number of (document, layer, head) of each model."""
    n_documents = tables["documents"].group_by("model").len()
    rows = tables["models"].join(n_documents, on="model").sort("model")
    totals = [
        f"{words.integer(row['len'] * row['n_layers'] * row['n_heads'])} ({row['model']})"
        for row in rows.iter_rows(named=True)
    ]
    return words.listed(totals)
