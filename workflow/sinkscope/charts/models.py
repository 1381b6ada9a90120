"""Models side by side: which are compared, in what order, and their max keys."""

from __future__ import annotations

import altair as alt
import polars as pl

from sinkscope.charts import words
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.histogram import COLUMNS, bars, class_colours, top
from sinkscope.charts.histogram import FORMULA as MAX_KEY
from sinkscope.charts.palette import model_colour
from sinkscope.charts.theme import ALL_MODELS, colours, data_source, limits, rounded
from sinkscope.keys import KEY_CLASSES

N_TOKENS, N_TOKENS_OF_MANY = 5, 3
FEW = 3  # models that a sentence can name one by one
CHOSEN = f"model === '{ALL_MODELS}' || datum.model === model"


def model_names(tables: Tables) -> list[str]:
    return tables["models"]["model"].unique().sort().to_list()


def in_order(tables: Tables) -> dict[str, str]:
    """Model to family: the encoders, then the decoders, each by name."""
    rows = tables["models"].sort(pl.col("family") != "encoder", "model")
    return dict(rows.select("model", "family").iter_rows())


def panel_title(model: str, family: str) -> str:
    return f"{model} ({family})"


def model_picker(names: list[str]) -> alt.Parameter:
    """The parameter `model`: the one that stands out; the page binds its own picker to it."""
    bind = alt.binding_select(options=[ALL_MODELS, *names], name="model ")
    return alt.param(name="model", value=ALL_MODELS, bind=bind)


def model_colours(names: list[str]) -> alt.Color:
    return colours("model", "model", {name: model_colour(names, name) for name in names})


def standing_out() -> alt.typing.Optional:
    return alt.condition(CHOSEN, alt.value(1), alt.value(0.12))


def max_attention(tables: Tables) -> Figure:
    families = in_order(tables)
    n_shown = N_TOKENS if len(families) <= FEW else N_TOKENS_OF_MANY
    histogram = tables["max_attention_tokens"]
    parts = [top(histogram.filter(pl.col("model") == name), n_shown) for name in families]
    drawn = rounded(pl.concat(parts).select("model", *COLUMNS))
    classes, (_, longest) = class_colours(drawn), limits(drawn["share"])
    panels = [
        bars(drawn.filter(pl.col("model") == name), "share of max keys", 250, classes, longest)
        .properties(title=alt.TitleParams(panel_title(name, family), fontSize=11))
        .transform_filter(alt.FieldEqualPredicate(field="model", equal=name))
        for name, family in families.items()
    ]
    chart = alt.concat(*panels, columns=2, data=data_source(drawn)).resolve_scale(color="shared")
    return Figure(
        name="max_attention_models",
        title="Top max keys of every model",
        finding=most_frequent(drawn),
        caption=(
            f"The {n_shown} most frequent max keys of each model. Formula: {MAX_KEY}. "
            f"n = {_totals(histogram)} max keys (layers {words.TIMES} tokens, no padding). "
            "Unit: count, and share of the model's n."
        ),
        chart=chart,
        data=drawn,
    )


def most_frequent(drawn: pl.DataFrame) -> str:
    """drawn: top max keys of every model, the most frequent first."""
    firsts = drawn.group_by("model", maintain_order=True).first()
    rows = firsts.sort("share", "model", descending=[True, False]).rows(named=True)
    takes = [words.token(row["token"], row["key_class"]) for row in rows]
    if len(rows) <= FEW:
        shares = [
            f"{token} takes {words.percent(row['share'])} in {row['model']}"
            for token, row in zip(takes, rows, strict=True)
        ]
        return f"Of the max keys, {words.listed(shares)}."
    kinds = firsts.group_by("key_class").len().sort("len", "key_class", descending=[True, False])
    counts = [f"{name} in {n}" for name, n in kinds.iter_rows()]
    return (
        f"The most frequent max key takes from {words.percent(rows[-1]['share'])} of all max keys "
        f"({takes[-1]} in {rows[-1]['model']}) to {words.percent(rows[0]['share'])} "
        f"({takes[0]} in {rows[0]['model']}); its key class is {words.listed(counts)} of "
        f"{words.counted(len(rows), 'model')}."
    )


def _totals(histogram: pl.DataFrame) -> str:
    """Max keys of each model; how many at least and at most, where models are many."""
    totals = histogram.group_by("model").agg(pl.col("count").sum()).sort("model")
    return listed_or_ranged(list(totals.iter_rows()))


def listed_or_ranged(totals: list[tuple[str, int]]) -> str:
    if len(totals) > FEW:
        return words.ranged([n for _, n in totals])
    return words.listed([f"{words.integer(n)} ({name})" for name, n in totals])


def key_classes(tables: Tables) -> Figure:
    """One bar a model, divided by key class."""
    families = in_order(tables)
    names = list(families)
    drawn = (
        tables["max_attention_tokens"]
        .group_by("model", "key_class")
        .agg(pl.col("count", "share").sum())
        .with_columns(
            order=pl.col("key_class").replace_strict(KEY_CLASSES, range(len(KEY_CLASSES)))
        )
        .sort("model", "order")
        .with_columns(panel=panel_names(families))
    )
    drawn = rounded(drawn)
    word = drawn.filter(pl.col("key_class") == "word").sort("share")
    chart = (
        alt.Chart(data_source(drawn), width=640, height=30 * len(names))
        .mark_bar(height={"band": 0.68})
        .encode(
            x=alt.X("share:Q", title="share of max keys", axis=alt.Axis(format="%")).scale(
                domain=[0, 1]
            ),
            y=panel_axis(families),
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


def panel_names(families: dict[str, str]) -> pl.Expr:
    """Name of a row or panel: the model and its family."""
    names = {name: panel_title(name, family) for name, family in families.items()}
    return pl.col("model").replace_strict(names)


def panel_axis(families: dict[str, str]) -> alt.Y:
    order = [panel_title(name, family) for name, family in families.items()]
    axis = alt.Axis(labelFontSize=12, labelLimit=220, labelPadding=5)
    return alt.Y("panel:N", title=None, sort=order, axis=axis)
