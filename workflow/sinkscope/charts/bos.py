"""Texts with and without special tokens, and with other beginnings: where the sink goes."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from sinkscope.charts import words
from sinkscope.charts.bos_places import GROUPS, at_peak, of_roles, places
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.palette import CLASS_COLOURS
from sinkscope.charts.panels import Look, layer_panels, long
from sinkscope.charts.select import documents_in
from sinkscope.charts.theme import rounded

LINES: dict[str, Look] = {
    "with: special token": (CLASS_COLOURS["bos"], (1, 0)),
    "with: first real token": (CLASS_COLOURS["first"], (2, 2)),
    "without: first real token": (CLASS_COLOURS["first"], (1, 0)),
}
TAKES_OVER = 0.5  # part of what the special token got


def figures(tables: Tables) -> list[Figure]:
    """In the order of the report; only those of which something was measured."""
    found = []
    if not tables["bos"].is_empty():
        found.append(on_and_off(tables["bos"], left_out(tables)))
    content = tables["position_content"].with_columns(pl.col("mass").fill_nan(None))
    content = content.drop_nulls("mass")
    if not content.is_empty():
        means = of_roles(content)
        if "other_first_word" in means["input"]:
            found.append(first_words(means, content))
        found.append(places(means, content))
    return found


def left_out(tables: Tables) -> list[str]:
    """Models of which there are other beginnings, but none without special tokens."""
    others = tables["position_content"]["model"].unique().sort()
    return others.filter(~others.is_in(tables["bos"]["model"].unique().implode())).to_list()


def on_and_off(table: pl.DataFrame, left_out: list[str]) -> Figure:
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
    absent = (
        " Not shown, for want of a token that the tokenizer puts in front or of room for it: "
        f"{words.listed(left_out)}." if left_out else ""
    )  # fmt: skip
    return Figure(
        name="bos_on_off",
        title="With and without special tokens",
        finding=takes_over(with_, without),
        caption=(
            "The same texts, equally long: with the special tokens of the family around them (or "
            f"its BOS in front), and without any.{usual}{absent} Formula: mean over queries i "
            "after both (encoders: all others) of M[l,i,k], for the special token k = 0 and for "
            "the first real token. Mean over heads, queries and "
            f"n = {documents_in(table)}. Unit: part of 1, linear "
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
            f"{documents_in(content, GROUPS)}. Unit: part of 1, linear scale. Layers count from 0."
        ),
        chart=layer_panels(drawn, y, names),
        data=drawn,
    )
