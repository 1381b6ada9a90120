"""The max keys of every model by key class: one bar per model."""

from __future__ import annotations

import altair as alt
import polars as pl

from sinkscope.atlas.figures.compared import (
    highlighted,
    in_order,
    model_picker,
    titles_axis,
    totals,
    with_titles,
)
from sinkscope.atlas.figures.max_keys import FORMULA, class_colours, with_intervals
from sinkscope.charts.channels import tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.bars import bars
from sinkscope.charts.theme import data_source, rounded
from sinkscope.findings.finding import Finding
from sinkscope.keys import KEY_CLASSES

FINDING = (
    "Ordinary words are the max key of {{ least[0].share | percent }} of the queries in "
    "{{ least[0].model }}{% if n_models > 1 %}, the smallest share of all models{% endif %}."
)


def figure(tables: Tables) -> Figure:
    titles, histogram = in_order(tables), tables["max_attention_tokens"]
    place = pl.col("key_class").replace_strict(KEY_CLASSES, range(len(KEY_CLASSES)))
    shares = histogram.group_by("model", "key_class").agg(pl.col("count", "share").sum())
    shares = with_intervals(shares, tables["max_attention_documents"], ["key_class"])
    shares = shares.with_columns(order=place).sort("model", "order")
    drawn = rounded(with_titles(shares, titles))
    words = shares.filter(pl.col("key_class") == "word").select("model", "share").rows()
    on_words = dict.fromkeys(titles, 0.0) | dict(words)
    least = min(titles, key=lambda model: on_words[model])
    x = alt.X("share:Q", title="share of max keys", axis=alt.Axis(format="%"))
    chart = bars(
        x.scale(domain=[0, 1]),
        titles_axis(titles),
        class_colours(drawn["key_class"]),
        tips(
            "model:N",
            ("key_class:N", "key class"),
            ("count:Q", "", ","),
            ("share:Q", "", ".2%"),
            ("low:Q", "95 % interval from", ".2%"),
            ("high:Q", "to", ".2%"),
        ),
        width=640,
        height=30 * len(titles),
        order=alt.Order("order:Q"),
        opacity=highlighted(),
    )
    return Figure(
        name="key_classes_models",
        title="Max keys by key class",
        finding=Finding(
            FINDING,
            {"least": [{"model": least, "share": on_words[least]}], "n_models": len(titles)},
        ),
        caption=(
            f"Formula: {FORMULA}, summed by key class. n = {totals(histogram)} max keys. "
            "The tooltip has the 95 % bootstrap interval over documents. Unit: share of the "
            "model's n."
        ),
        chart=chart.properties(data=data_source(drawn)).add_params(model_picker(titles)),
        data=drawn,
    )
