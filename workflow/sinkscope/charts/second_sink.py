"""The second sink: what the first terminator gets beside the first token."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from sinkscope.charts import second_sink_local, second_sink_maps, second_sink_states, words
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.models import FEW
from sinkscope.charts.palette import CLASS_COLOURS
from sinkscope.charts.panels import Look, layer_panels, long, models_or_number
from sinkscope.charts.second_sink_controls import FORMULA, controls
from sinkscope.charts.theme import rounded
from sinkscope.reduce.second_sink import OWN, spans

LINES: dict[str, Look] = {
    "first token": (CLASS_COLOURS["first"], (1, 0)),
    "first terminator": (CLASS_COLOURS["terminator"], (1, 0)),
    "next terminator": (CLASS_COLOURS["cls"], (6, 3)),
    "strongest other token": (CLASS_COLOURS["word"], (8, 3, 2, 3)),
    "a comma in its place": (CLASS_COLOURS["punctuation"], (2, 2)),
}


def figures(tables: Tables) -> list[Figure]:
    """In the order of the report; none where no document has a sentence that ends."""
    layers = tables["second_sink_layers"].drop_nulls("second_sink")
    if layers.is_empty():
        return []
    found = spans(layers).sort("mass", "model", descending=[True, False])
    order = found["model"].to_list()  # the strongest second sink first
    return [
        *second_sink_maps.figures(tables["second_sink_maps"], order),
        masses(layers, found, tables["second_sink"]),
        ratios(layers),
        controls(layers, found),
        *second_sink_states.figures(tables["second_sink_layers"], tables["second_sink_states"]),
        *second_sink_local.figures(tables["second_sink_local"], layers, order),
    ]


def masses(layers: pl.DataFrame, found: pl.DataFrame, documents: pl.DataFrame) -> Figure:
    own = layers.filter(pl.col("mark") == OWN)
    sets = ("first_token", "second_sink", "next_terminator", "strongest")
    columns = dict(zip(sets, LINES, strict=False))
    comma = layers.filter(pl.col("mark") == ",")
    drawn = rounded(
        pl.concat(
            [
                long(own, columns, ["model", "layer"]),
                long(comma, {"second_sink": "a comma in its place"}, ["model", "layer"]),
            ]
        ).sort("model", "layer", "line")
    )
    y = alt.Y("value:Q", title="attention of later queries").scale(domain=[0, 1])
    return Figure(
        name="second_sink_mass",
        title="The first terminator beside the first token",
        finding=where(found, own["threshold"][0])
        + exchanged(layers, own["threshold"][0])
        + other_token(own, documents),
        caption=(
            f"Formula: {FORMULA}; dashed: the same of the next terminator (over queries after it), "
            "of whichever token but the first gets most in a document (over the queries that see "
            "it; only keys that more than half of the queries see), and of the first "
            "terminator's position with a comma there, all other tokens as they are. Mean over "
            f"heads, queries and n = {words.ranged(own['n_documents'].to_list())} documents. "
            "Unit: part of 1, linear scale. Layers count from 0."
        ),
        chart=layer_panels(drawn, y, LINES),
        data=drawn,
    )


def ratios(layers: pl.DataFrame) -> Figure:
    """What the first terminator gets as a part of what key 0 gets, beside a comma there."""
    by = ["model", "layer"]
    known = layers.filter(pl.col("ratio") > 0)
    lines = {OWN: "first terminator", ",": "a comma in its place"}
    parts = [
        long(known.filter(pl.col("mark") == mark), {"ratio": name}, by)
        for mark, name in lines.items()
    ]
    drawn = rounded(pl.concat(parts).sort(*by, "line"))
    own = known.filter(pl.col("mark") == OWN)
    strong = own.filter(pl.col("first_token") >= pl.col("threshold"))
    y = alt.Y("value:Q", title="times the first token's", scale=alt.Scale(type="log"))
    return Figure(
        name="second_sink_ratio",
        title="The first terminator as a part of the first token",
        finding=highest(strong, own["threshold"][0]),
        caption=(
            "Formula: attention of later queries to the first terminator, divided by that to key "
            "0; both as above, means over heads, queries and n = "
            f"{words.ranged(own['n_documents'].to_list())} documents. In Llama-2 it is 0.88. Where "
            "key 0 gets next to nothing the ratio says little. Unit: ratio, logarithmic scale. "
            "Layers count from 0."
        ),
        chart=layer_panels(drawn, y.axis(format="~g", tickCount=5), {n: LINES[n] for n in
                           lines.values()}),
        data=drawn,
    )  # fmt: skip


def highest(strong: pl.DataFrame, threshold: float) -> str:
    """strong: layers of the texts themselves where the first token is a sink."""
    mark = f"{threshold:g} of the attention"
    if strong.is_empty():
        return f"In no layer does the first token get {mark}: there is no sink to be second to."
    order = ["ratio", "model", "layer"]
    row = strong.sort(order, descending=[True, False, False]).row(0, named=True)
    return (
        f"Among layers where the first token gets {mark} or more, the first terminator comes "
        f"nearest to it in layer {row['layer']} of {row['model']}: {row['ratio']:.2f} "
        f"{words.TIMES} as much ({words.mass(row['second_sink'])} to "
        f"{words.mass(row['first_token'])})."
    )


def where(found: pl.DataFrame, threshold: float) -> str:
    """found: spans, the strongest first."""
    there, none = found.filter(pl.col("n_layers") > 0), found.filter(pl.col("n_layers") == 0)
    mark = f"{threshold:g} of the attention of later queries"
    if there.is_empty():
        best = found.row(0, named=True)
        return (
            f"In the texts as they are there is no second sink: in no layer of "
            f"{models_or_number(found['model'].to_list())} does the first terminator get {mark}; "
            f"it gets most in layer {best['layer']} of {best['model']}, {share(best)}."
        )
    parts = [
        f"in {row['model']} it is born in layer {row['born']} and ends in layer {row['ends']}, "
        f"strongest in layer {row['layer']} with {share(row)}"
        for row in there.head(FEW).iter_rows(named=True)
    ]
    text = f"The first terminator gets {mark} in {there.height} of "
    text += f"{words.counted(found.height, 'model')}: {words.listed(parts)}"
    return (
        f"{text}; not in {models_or_number(none['model'].to_list())}." if len(none) else f"{text}."
    )


def exchanged(layers: pl.DataFrame, threshold: float) -> str:
    """A sentence on the models in which another mark, in the first terminator's place, gets as
    much as a second sink. A comma ends no sentence: it says what the place alone does.

    layers: second_sink_layers.
    """
    order = ["second_sink", "model", "mark", "layer"]
    strongest = (
        layers.filter("is_second_sink", pl.col("mark") != OWN)
        .with_columns(is_comma=pl.col("mark") == ",")
        .sort(order, descending=[True, False, False, False])
        .group_by("model", "is_comma", maintain_order=True)
        .first()
    )
    ends, commas = (strongest.filter(is_comma=wanted) for wanted in (False, True))
    if ends.is_empty():
        text = f" No other mark in its place gets {threshold:g}"
    else:
        parts = [
            f"{words.mass(row['second_sink'])} with “{row['mark']}” in layer {row['layer']} of "
            f"{row['model']}"
            for row in ends.head(FEW).iter_rows(named=True)
        ]
        text = (
            f" With another mark exchanged for it, that place gets {threshold:g} or more in "
            f"{words.counted(ends.height, 'model')} ({words.listed(parts)})"
        )
    n_commas = words.counted(commas.height, "model") if commas.height else "no model"
    return f"{text}; with a comma, which ends no sentence, in {n_commas}."


def other_token(own: pl.DataFrame, documents: pl.DataFrame) -> str:
    """A sentence on the strongest token that is not the first, terminator or not.

    documents: second_sink.
    """
    order = ["strongest", "model", "layer"]
    best = own.drop_nulls("strongest").sort(order, descending=[True, False, False])
    if best.is_empty():
        return ""
    row = best.row(0, named=True)
    n = own.filter(pl.col("strongest") >= pl.col("threshold"))["model"].n_unique()
    there = documents.filter(
        pl.col("is_own"), pl.col("model") == row["model"], pl.col("layer") == row["layer"]
    )
    counts = (
        there["strongest_token"]
        .value_counts(sort=True)
        .sort("count", "strongest_token", descending=[True, False])
    )
    token, count = counts.row(0)
    return (
        f" Some other token than the first gets as much in {n} of "
        f"{words.counted(own['model'].n_unique(), 'model')}, most in layer {row['layer']} of "
        f"{row['model']} ({words.mass(row['strongest'])}; “{token}” in {count} of "
        f"{words.counted(there.height, 'document')})."
    )


def share(row: dict[str, Any]) -> str:
    return f"{words.mass(row['mass'])} ({row['ratio']:.2f} {words.TIMES} what the first token gets)"
