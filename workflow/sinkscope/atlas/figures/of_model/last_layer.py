"""The last layer of an encoder: the attention that each key receives, and the mean per key
class."""

from collections.abc import Sequence

import altair as alt
import numpy as np
import polars as pl

from sinkscope import words
from sinkscope.atlas.figures.max_keys import class_colours
from sinkscope.charts.channels import by_document, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.bars import bars
from sinkscope.charts.select import rows_where
from sinkscope.findings.finding import Finding
from sinkscope.intervals import interval, ratios
from sinkscope.keys import KEY_CLASSES
from sinkscope.means import matrix
from sinkscope.tables.blocks import Blocks
from sinkscope.tables.read import selected

WIDTH = 680
FINDING = (
    "In layer {{ layer }}, the last, a key of class {{ key_class }} receives most: "
    "{{ received | estimate(received_low, received_high, '.4f') }} on average"
    "{% if times is defined %}; a terminator receives {{ terminator | decimals(4) }}, "
    "{{ times | estimate(times_low, times_high, '.1f') }} times what a word does{% endif %}."
)


def figure(tables: Tables, model: str, documents: Sequence[str]) -> Figure | None:
    """None for a decoder, and if there is no document to show."""
    if tables["models"]["family"][0] != "encoder" or not documents:
        return None
    table = rows_where(tables, "last_layer_keys", pl.col("document").is_in(list(documents)))
    rows = pl.concat([table.filter(pl.col("document") == name) for name in documents])
    columns = ("document", "layer", "key", "token", "key_class", "received", "share")
    drawn = rows.select(columns)
    layer = table["layer"][0]
    sums = pl.concat(Blocks(tables, "last_layer_keys", sums_of_classes))
    charts = [of_keys(drawn), of_classes(drawn)]
    chart = alt.vconcat(*charts, spacing=24)
    return Figure(
        name="last_layer",
        title="Last layer, key by key",
        subject=model,
        finding=Finding(FINDING, {"layer": layer, **receives_most(sums)}),
        caption=(
            f"Attention that each key of layer {layer}, the last, receives: mean over heads and "
            "queries i of A[l,h,i,k]; below, its mean over the keys of each class in the document "
            "shown. If every key received the same, each would get 1 / (number of tokens). "
            f"n = 1 document shown of {sums['document'].n_unique()}; the sentence above is over "
            f"all {words.counted(int(sums['keys'].sum()), 'key')}. Unit: part of 1, linear scale."
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


def sums_of_classes(tables: Tables) -> pl.DataFrame:
    """document, key_class, received and keys: what the keys of the class receive, and how many they
    are."""
    table = selected(tables, "last_layer_keys", ["document", "key_class", "received"])
    return table.group_by("document", "key_class").agg(pl.col("received").sum(), keys=pl.len())


def receives_most(sums: pl.DataFrame) -> dict[str, str | float | None]:
    """Facts: the class whose keys receive most attention, mean over all of its keys; terminators
    and words, if both occur. Intervals: documents resampled, with all of their keys. sums: of
    sums_of_classes."""
    classes, (received, keys) = matrix(sums, ["key_class"], ["received", "keys"])
    means = ratios(received, keys)  # [resample, class]
    several = sums["document"].n_unique() > 1
    names = classes["key_class"].to_list()

    def estimated(name: str, resampled: np.ndarray) -> dict[str, float | None]:
        ends = [end.item() if several else None for end in interval(resampled[:, None])]
        return {name: resampled[0].item(), f"{name}_low": ends[0], f"{name}_high": ends[1]}

    best = means[0].argmax()
    facts: dict[str, str | float | None] = {"key_class": names[best]}
    facts |= estimated("received", means[:, best])
    values = dict(zip(names, means.T, strict=True))  # [resample] each
    terminator, word = values.get("terminator"), values.get("word")
    if terminator is not None and word is not None and word[0]:
        facts |= {"terminator": terminator[0].item(), "word": word[0].item()}
        facts |= estimated("times", terminator / word)
    return facts
