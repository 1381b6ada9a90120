"""Where the first terminator's attention is when texts begin otherwise."""

from __future__ import annotations

import altair as alt
import polars as pl

from sinkscope.charts import words
from sinkscope.charts.figure import Figure
from sinkscope.charts.palette import CLASS_COLOURS
from sinkscope.charts.panels import models_or_number
from sinkscope.charts.select import documents_in
from sinkscope.charts.theme import data_source, rounded

# Of position_content: (input, role) to label, colour and shape of its mark.
PLACES = {
    ("text", "first_terminator"): ("as it is", CLASS_COLOURS["terminator"], "circle"),
    ("other_first_word", "first_terminator"): ("other first word", "#cc79a7", "diamond"),
    ("filler", "filler_end"): ("sentence in front: its end", "#d55e00", "triangle-up"),
    ("filler", "first_terminator"): (
        "sentence in front: the same terminator",
        CLASS_COLOURS["terminator"],
        "square",
    ),
    ("filler", "same_position"): ("sentence in front: the same place", "#8a8f98", "cross"),
    ("filler_comma", "first_terminator"): (
        "ending in a comma: the same terminator",
        "#0072b2",
        "triangle-down",
    ),
}
GROUPS = ("model", "input", "role")  # that are averaged over documents
FOLLOWS = {
    "filler_end": "to the new first terminator",
    "first_terminator": "with the same terminator",
    "same_position": "to the same place",
}


def of_roles(content: pl.DataFrame) -> pl.DataFrame:
    """model, input, layer, role, mass: means over documents."""
    by = ["model", "input", "layer", "role"]
    return content.group_by(by).agg(pl.col("mass").mean()).sort(by)


def at_peak(means: pl.DataFrame, role: str) -> pl.DataFrame:
    """Rows in the layer of each model where `role` gets most in the text as it is."""
    text = means.filter(pl.col("input") == "text", pl.col("role") == role)
    best = text.sort("model", "mass", "layer", descending=[False, True, False])
    layers = best.group_by("model", maintain_order=True).first().select("model", "layer")
    return means.join(layers, on=["model", "layer"])


def places(means: pl.DataFrame, content: pl.DataFrame) -> Figure:
    """A row a model, marks for the places that the second sink might be in."""
    labels = pl.DataFrame(
        [(*place, look[0]) for place, look in PLACES.items()],
        schema=["input", "role", "place"],
        orient="row",
    )
    peak = at_peak(means, "first_terminator").join(labels, on=["input", "role"])
    as_it_is = peak.filter(pl.col("input") == "text").sort(
        "mass", "model", descending=[True, False]
    )
    names = as_it_is["model"].to_list()
    drawn = rounded(peak.select("model", "layer", "place", "mass").sort("model", "place"))
    kinds, colours, shapes = zip(*PLACES.values(), strict=True)
    legend = alt.Legend(columns=2, labelLimit=340)
    chart = (
        alt.Chart(data_source(drawn), width=520, height=34 * len(names))
        .mark_point(filled=True, size=80, opacity=0.85)
        .encode(
            x=alt.X("mass:Q", title="attention of later queries").scale(zero=True, nice=True),
            y=alt.Y("model:N", title=None, sort=names).axis(
                labelFontSize=12, labelPadding=8, grid=True, tickBand="center"
            ),
            color=alt.Color("place:N", title=None, legend=legend).scale(
                domain=list(kinds), range=list(colours)
            ),
            shape=alt.Shape("place:N", title=None, legend=legend).scale(
                domain=list(kinds), range=list(shapes)
            ),
            tooltip=[
                alt.Tooltip("model:N"),
                alt.Tooltip("layer:Q"),
                alt.Tooltip("place:N"),
                alt.Tooltip("mass:Q", format=".4f"),
            ],
        )
    )
    return Figure(
        name="bos_places",
        title="With a sentence in front, where does the first terminator's attention go?",
        finding=which_follow(peak),
        caption=(
            "A short sentence is put in front of every text: its end is then the first terminator, "
            "the text's own one comes later, and what stood in the latter's place is another "
            "token. As a control the sentence ends in a comma. Formula: mean over queries i after "
            "all of these keys (encoders: all others) of M[l,i,k], in the layer of each model "
            "where the first terminator of the text as it is gets most. Mean over heads, queries "
            f"and n = {documents_in(content, GROUPS)}. Unit: part of 1, linear scale, which does "
            "not end at 1."
        ),
        chart=chart,
        data=drawn,
    )


def which_follow(peak: pl.DataFrame) -> str:
    """In whose place the most attention is, with a sentence in front, by model."""
    moved = peak.filter(pl.col("input") == "filler")
    if moved.is_empty():
        return "No text has room for a sentence in front."
    best = (
        moved.sort("model", "mass", "role", descending=[False, True, False])
        .group_by("model", maintain_order=True)
        .first()
    )
    parts = []
    for role, phrase in FOLLOWS.items():
        names = best.filter(pl.col("role") == role)["model"].to_list()
        if names:
            parts.append(f"{phrase} in {models_or_number(names)}")
    return f"With a sentence in front most goes {words.listed(parts)}."
