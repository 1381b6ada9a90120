"""The max keys of every model by key class: one bar per model."""

import polars as pl

from sinkscope.atlas.figures import compared
from sinkscope.atlas.figures.max_keys import FORMULA, class_colours
from sinkscope.charts.channels import OF_ONE, estimated, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.bars import stacked, stacked_bars
from sinkscope.charts.of_counts import counts_of, with_documents, with_intervals
from sinkscope.charts.of_documents import behind
from sinkscope.findings.finding import Finding
from sinkscope.keys import KEY_CLASSES

MOST_STRIPS = 12  # documents below a bar
STRIPS = "thin strips below a bar, the shortest text first"
FINDING = (
    "Ordinary words are the max key of {{ least[0].share | percent }} of the queries in "
    "{{ least[0].model }}{% if n_models > 1 %}, the smallest share of all models{% endif %}."
)


def figure(tables: Tables) -> Figure:
    titles, histogram = compared.in_order(tables), tables["max_attention_tokens"]
    place = pl.col("key_class").replace_strict(KEY_CLASSES, range(len(KEY_CLASSES)))
    shares = histogram.group_by("model", "key_class").agg(pl.col("count", "share").sum())
    by = ["key_class"]
    counted = counts_of(tables, shares, by)
    shares = with_intervals(shares, counted, by)
    shares = shares.with_columns(order=place).sort("model", "order")
    every = with_documents(shares, counted, tables["documents"], by, MOST_STRIPS)
    named = compared.with_titles(every, titles).with_columns(name="panel")
    drawn = stacked(named, list(titles.values()), "share", "order")
    words = shares.filter(pl.col("key_class") == "word").select("model", "share").rows()
    on_words = dict.fromkeys(titles, 0.0) | dict(words)
    least = min(titles, key=lambda model: on_words[model])
    chart = stacked_bars(
        drawn,
        "share of max keys",
        class_colours(drawn["key_class"]),
        tips(
            "model:N",
            ("key_class:N", "key class"),
            ("count:Q", "", ","),
            *estimated("share", form=".2%", ends=""),
            *OF_ONE,
        ),
        width=640,
        opacity=compared.highlighted(),
    )
    return Figure(
        name="key_classes_models",
        title="Max keys by key class",
        finding=Finding(
            FINDING,
            {"least": [{"model": least, "share": on_words[least]}], "n_models": len(titles)},
        ),
        caption=(
            f"Formula: {FORMULA}, summed by key class. n = {compared.totals(histogram)} max keys. "
            f"{behind(drawn, counted['document'].n_unique(), mark='Tooltip', single=STRIPS)}. "
            "Unit: share of the model's n, or of the document's max keys."
        ),
        chart=chart.add_params(compared.model_picker(titles)),
        data=drawn,
    )
