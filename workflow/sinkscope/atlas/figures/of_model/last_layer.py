"""The last layer of an encoder: the attention that each key receives, and the mean per key
class."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.atlas.figures.max_keys import class_colours
from sinkscope.charts.channels import by_document, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.bars import bars
from sinkscope.charts.theme import data_source, rounded
from sinkscope.findings.finding import Finding
from sinkscope.keys import KEY_CLASSES

WIDTH = 680
FINDING = (
    "In layer {{ layer }}, the last, a key of class {{ key_class }} receives most: "
    "{{ received | decimals(4) }} on average"
    "{% if times is defined %}; a terminator receives {{ terminator | decimals(4) }}, "
    "{{ times | decimals(1) }} times what a word does{% endif %}."
)


def figure(tables: Tables, model: str, documents: Sequence[str]) -> Figure | None:
    """None for a decoder, and if there is no document to show."""
    if tables["models"]["family"][0] != "encoder" or not documents:
        return None
    table = tables["last_layer_keys"]
    rows = pl.concat([table.filter(pl.col("document") == name) for name in documents])
    columns = ("document", "layer", "key", "token", "key_class", "received", "share")
    drawn = rounded(rows.select(columns))
    layer = table["layer"][0]
    charts = [of_keys(drawn), of_classes(drawn)]
    chart = alt.vconcat(*charts, data=data_source(drawn), spacing=24)
    return Figure(
        name="last_layer",
        title="Last layer, key by key",
        subject=model,
        finding=Finding(FINDING, {"layer": layer, **receives_most(table)}),
        caption=(
            f"Attention that each key of layer {layer}, the last, receives: mean over heads and "
            "queries i of A[l,h,i,k]; below, its mean over the keys of each class in the document "
            "shown. If every key received the same, each would get 1 / (number of tokens). "
            f"n = 1 document shown of {table['document'].n_unique()}; the sentence above is over "
            f"all {words.counted(table.height, 'key')}. Unit: part of 1, linear scale."
        ),
        chart=by_document(chart, documents),
        data=drawn,
    )


def of_keys(drawn: pl.DataFrame) -> alt.LayerChart:
    """One stem per key, with a point if the key is not an ordinary token."""
    base = alt.Chart(width=WIDTH, height=230).encode(
        x=alt.X("key:Q", title="key position", scale=alt.Scale(nice=False, padding=6)),
        y=alt.Y("received:Q", title="attention received (part of 1)"),
        color=class_colours(drawn["key_class"]),
        tooltip=tips(
            "token:N",
            ("key:Q", "position"),
            ("key_class:N", "key class"),
            ("received:Q", "", ".4f"),
            ("share:Q", "share of max keys", ".1%"),
        ),
    )
    marked = "indexof(['word', 'number', 'space'], datum.key_class) < 0"
    points = base.transform_filter(marked).mark_point(filled=True, size=34, opacity=1)
    return alt.LayerChart(layer=[base.mark_bar(width=1.6), points])


def of_classes(drawn: pl.DataFrame) -> alt.LayerChart:
    """The mean over the keys of each class, and their number."""
    order = [name for name in KEY_CLASSES if name in set(drawn["key_class"])]
    x = alt.X("received:Q", title="mean attention received by a key of the class (part of 1)")
    return bars(
        x,
        alt.Y("key_class:N", title=None, sort=order),
        class_colours(drawn["key_class"]),
        tips(("key_class:N", "key class"), ("received:Q", "", ".4f"), "keys:Q"),
        width=WIDTH,
        height=20 * len(order),
        number="format(datum.received, '.4f') + '  (' + datum.keys + ')'",
        base=alt.Chart().transform_aggregate(
            received="mean(received)", keys="count()", groupby=["key_class"]
        ),
    )


def receives_most(table: pl.DataFrame) -> dict[str, str | float]:
    """Facts: the class whose keys receive most attention; terminators and words, if both occur."""
    means = table.group_by("key_class", maintain_order=True).agg(pl.col("received").mean())
    received: dict[str, float] = dict(means.iter_rows())
    best = max(received, key=lambda name: received[name])
    facts: dict[str, str | float] = {"key_class": best, "received": received[best]}
    terminator, word = received.get("terminator"), received.get("word")
    if terminator is not None and word:
        facts |= {"terminator": terminator, "word": word, "times": terminator / word}
    return facts
