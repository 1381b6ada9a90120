"""The last layer of an encoder: what every key receives, and what terminators receive."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import polars as pl

from sinkscope.charts import words
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.histogram import class_colours
from sinkscope.charts.theme import OF_DOCUMENT, colours, data_source, document_picker, rounded

WIDTH = 680


def last_layer(tables: Tables, model: str, documents: Sequence[str]) -> Figure:
    table = tables["last_layer_keys"]
    rows = pl.concat([table.filter(pl.col("document") == name) for name in documents])
    drawn = rounded(
        rows.select("document", "layer", "key", "token", "key_class", "received", "share")
    )
    by_class = table.group_by("key_class").agg(received=pl.col("received").mean(), n=pl.len())
    layer = table["layer"][0]
    chart = (
        alt.vconcat(_keys(drawn), _classes(drawn), data=data_source(drawn), spacing=24)
        .add_params(document_picker(list(documents)))
        .transform_filter(OF_DOCUMENT)
    )
    return Figure(
        name="last_layer",
        title="Last layer, key by key",
        subject=model,
        finding=_finding(by_class, layer),
        caption=(
            f"Attention that each key of layer {layer}, the last, receives: mean over heads and "
            "queries i of A[l,h,i,k]; below, its mean over the keys of each class in the document "
            "shown. If every key received the same, each would get 1 / (number of tokens). "
            f"n = 1 document shown of {table['document'].n_unique()}; the sentence above is over "
            f"all {words.counted(table.height, 'key')}. Unit: part of 1, linear scale."
        ),
        chart=chart,
        data=drawn,
    )


def _keys(drawn: pl.DataFrame) -> alt.LayerChart:
    base = alt.Chart(width=WIDTH, height=230).encode(
        x=alt.X("key:Q", title="key position", scale=alt.Scale(nice=False, padding=6)),
        y=alt.Y("received:Q", title="attention received (part of 1)"),
        color=colours("key_class", "key class", class_colours(drawn)),
        tooltip=[
            alt.Tooltip("token:N"),
            alt.Tooltip("key:Q", title="position"),
            alt.Tooltip("key_class:N", title="key class"),
            alt.Tooltip("received:Q", format=".4f"),
            alt.Tooltip("share:Q", title="share of max keys", format=".1%"),
        ],
    )
    marked = "indexof(['word', 'number', 'space'], datum.key_class) < 0"
    stems = base.mark_bar(width=1.6).encode()
    heads = base.transform_filter(marked).mark_point(filled=True, size=34, opacity=1)
    return alt.LayerChart(layer=[stems, heads])


def _classes(drawn: pl.DataFrame) -> alt.LayerChart:
    mean = alt.Chart(width=WIDTH, height=20 * len(class_colours(drawn))).transform_aggregate(
        received="mean(received)", keys="count()", groupby=["key_class"]
    )
    order = list(class_colours(drawn))
    base = mean.encode(
        x=alt.X("received:Q", title="mean attention received by a key of the class (part of 1)"),
        y=alt.Y("key_class:N", title=None, sort=order),
        tooltip=[
            alt.Tooltip("key_class:N", title="key class"),
            alt.Tooltip("received:Q", format=".4f"),
            alt.Tooltip("keys:Q"),
        ],
    )
    bars = base.mark_bar(height={"band": 0.7}).encode(
        color=colours("key_class", "key class", class_colours(drawn))
    )
    number = "format(datum.received, '.4f') + '  (' + datum.keys + ')'"
    text = base.transform_calculate(number=number).mark_text(align="left", dx=5)
    return alt.LayerChart(layer=[bars, text.encode(text="number:N")])


def _finding(by_class: pl.DataFrame, layer: int) -> str:
    received = dict(by_class.select("key_class", "received").iter_rows())
    best = max(received, key=lambda name: received[name])
    sentence = (
        f"In layer {layer}, the last, a key of class {best} receives most: "
        f"{received[best]:.4f} on average"
    )
    if {"terminator", "word"} <= set(received) and received["word"] > 0:
        times = received["terminator"] / received["word"]
        sentence += (
            f"; a terminator receives {received['terminator']:.4f}, "
            f"{times:.1f} times what a word does"
        )
    return f"{sentence}."
