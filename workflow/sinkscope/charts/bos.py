"""Texts with and without special tokens, and with other beginnings: where the sink goes."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from sinkscope.charts import words
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.palette import CLASS_COLOURS
from sinkscope.charts.panels import Look, layer_panels, long, models_or_number
from sinkscope.charts.theme import data_source, rounded

LINES: dict[str, Look] = {
    "with: special token": (CLASS_COLOURS["bos"], (1, 0)),
    "with: first real token": (CLASS_COLOURS["first"], (2, 2)),
    "without: first real token": (CLASS_COLOURS["first"], (1, 0)),
}
TAKES_OVER = 0.5  # part of what the special token got
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
        "the same, but ending in a comma: the same terminator",
        "#0072b2",
        "triangle-down",
    ),
}
FOLLOWS = {
    "filler_end": "to the new first terminator",
    "first_terminator": "with the same terminator",
    "same_position": "to the same place",
}


def figures(tables: Tables) -> list[Figure]:
    """In the order of the report; only those of which something was measured."""
    found = []
    if not tables["bos"].is_empty():
        found.append(on_and_off(tables["bos"]))
    content = tables["position_content"].with_columns(pl.col("mass").fill_nan(None))
    content = content.drop_nulls("mass")
    if not content.is_empty():
        means = of_roles(content)
        if "other_first_word" in means["input"]:
            found.append(first_words(means, content))
        found.append(places(means, content))
    return found


def n_of(frame: pl.DataFrame) -> str:
    return words.counted(frame["document"].n_unique(), "document")


def on_and_off(table: pl.DataFrame) -> Figure:
    by = ["model", "layer"]
    masses = ["first_token", "first_word"]
    means = (
        table.with_columns(pl.col(masses).fill_nan(None))
        .group_by("input", *by)
        .agg(pl.col(masses).mean(), pl.col("is_usual").first())
        .sort("model", "layer", "input")
    )
    with_, without = (means.filter(pl.col("input") == name) for name in ("with", "without"))
    labels = list(LINES)
    parts = [
        long(with_, dict(zip(masses, labels, strict=False)), by),
        long(without, {"first_word": labels[2]}, by),
    ]
    drawn = rounded(pl.concat(parts).sort(*by, "line"))
    y = alt.Y("value:Q", title="attention of later queries").scale(domain=[0, 1])
    unusual = with_.filter(~pl.col("is_usual"))["model"].unique().sort().to_list()
    usual = (
        f" {words.listed(unusual)} {'was' if len(unusual) == 1 else 'were'} not made to begin with "
        "one: their BOS stands in front for once." if unusual else ""
    )  # fmt: skip
    return Figure(
        name="bos_on_off",
        title="With and without special tokens",
        finding=takes_over(with_, without),
        caption=(
            "The same texts, equally long: with the special tokens of the family around them (or "
            f"its BOS in front), and without any.{usual} Formula: mean over queries i after both "
            "(encoders: all others) of M[l,i,k], for the special token k = 0 and for the first "
            f"real token. Mean over heads, queries and n = {n_of(table)}. Unit: part of 1, linear "
            "scale. Layers count from 0."
        ),
        chart=layer_panels(drawn, y, LINES),
        data=drawn,
    )


def takes_over(with_: pl.DataFrame, without: pl.DataFrame) -> str:
    """By the layer in which the special token gets most."""
    best = (
        with_.drop_nulls("first_token")
        .sort("model", "first_token", "layer", descending=[False, True, False])
        .group_by("model", maintain_order=True)
        .first()
        .select("model", "layer", special="first_token")
    )
    found = best.join(
        without.select("model", "layer", word="first_word"), on=["model", "layer"]
    ).with_columns(part=pl.col("word") / pl.col("special"))
    found = found.sort("part", "model", descending=[True, False])
    over = found.filter(pl.col("part") >= TAKES_OVER)
    text = (
        f"Without special tokens the first real token takes over at least half of what the special "
        f"token got, where that was most, in {over.height} of "
        f"{words.counted(found.height, 'model')}"
    )
    most, least = found.row(0, named=True), found.row(-1, named=True)
    if found.height == 1:
        return f"{text}: {told(most)}."
    return f"{text}; most in {told(most)}, least in {told(least)}."


def told(row: dict[str, Any]) -> str:
    return (
        f"{row['model']} ({words.mass(row['word'])} instead of {words.mass(row['special'])} in "
        f"layer {row['layer']})"
    )


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


def first_words(means: pl.DataFrame, content: pl.DataFrame) -> Figure:
    """Key 0 with the text's own first word, and with others."""
    names: dict[str, Look] = {
        "the text as it is": (CLASS_COLOURS["first"], (1, 0)),
        "another first word": ("#cc79a7", (6, 3)),
        "a sentence in front": ("#d55e00", (2, 2)),
    }
    inputs = dict(zip(("text", "other_first_word", "filler"), names, strict=True))
    first = means.filter(pl.col("role") == "first_token", pl.col("input").is_in(list(inputs)))
    drawn = rounded(
        first.select(
            "model", "layer", line=pl.col("input").replace_strict(inputs), value="mass"
        ).sort("model", "layer", "line")
    )
    peak = at_peak(means, "first_token").filter(pl.col("role") == "first_token")
    wide = peak.pivot("input", index=["model", "layer"], values="mass")
    change = wide.with_columns(change=(pl.col("other_first_word") / pl.col("text") - 1).abs()).sort(
        "change", "model", descending=[True, False]
    )
    row = change.row(0, named=True)
    n_same = change.filter(pl.col("change") < 0.1).height
    y = alt.Y("value:Q", title="attention to key 0").scale(domain=[0, 1])
    return Figure(
        name="bos_first_word",
        title="Position 0, whatever stands there?",
        finding=(
            f"With another first word attention to key 0, where it is most, changes by less than a "
            f"tenth in {n_same} of {words.counted(change.height, 'model')}; most in "
            f"{row['model']}, from {words.mass(row['text'])} to "
            f"{words.mass(row['other_first_word'])} (layer {row['layer']})."
        ),
        caption=(
            "The first real token exchanged for other ordinary words of the vocabulary (the same "
            "in all texts), and a sentence put in front of the text. Where a special token "
            "stands in front, that is key 0. Formula: mean over queries i after the first "
            "terminator (encoders: all others) of M[l,i,0]. Mean over heads, queries and n = "
            f"{n_of(content)}. Unit: part of 1, linear scale. Layers count from 0."
        ),
        chart=layer_panels(drawn, y, names),
        data=drawn,
    )


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
                labelFontSize=12, grid=True, tickBand="center"
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
            f"and n = {n_of(content)}. Unit: part of 1, linear scale, which does not end at 1."
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
