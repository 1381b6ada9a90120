"""The strongest induction heads: what they look at, on repeated tokens and on ordinary text."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from sinkscope.charts import words
from sinkscope.charts.figure import Figure
from sinkscope.charts.palette import HEAT_STOPS
from sinkscope.charts.select import axis_length
from sinkscope.charts.theme import data_source, one_row, rounded

MOST_PATTERNS = 8
MARGIN = 1  # cells of paper around: key 0, full of attention, is as dark as a dark page
HEAD = ["model", "layer", "head"]
LEAST_DRAWN = 0.005  # attention below it would have the colour of no attention
GUIDE = "#d55e00"
PAPER_INK = "#555"  # on the paper of heat maps, which is light in every style
LINEAR = alt.Scale(domain=[0, 1], range=list(HEAT_STOPS), interpolate="rgb")
LEGEND = alt.Legend(gradientLength=200, values=[0, 0.5, 1], format=".1f")
OFFSETS = (
    "Key i-N is the same token the first time (the duplicate-token pattern), key i-N+1 the one "
    "that followed it then, which is what helps to predict the next token"
)


def head_name(row: dict[str, Any]) -> str:
    return f"head {row['head']} of layer {row['layer']} of {row['model']}"


def of_model(model: str) -> alt.Chart:
    return alt.Chart().transform_filter(alt.FieldEqualPredicate(field="model", equal=model))


def panel_title(text: str, subtitle: str) -> alt.TitleParams:
    return alt.TitleParams(
        text, subtitle=subtitle, fontSize=11, offset=6, subtitleFontSize=10,
        subtitleColor="currentColor",
    )  # fmt: skip


def patterns(shown: pl.DataFrame) -> Figure:
    """shown: induction_patterns beside the scores of their heads, those to show first in front."""
    every = shown.select(HEAD).unique(maintain_order=True)
    drawn = shown.join(every.head(MOST_PATTERNS), on=HEAD, maintain_order="left")
    columns = [*HEAD, "induction_score", "input", "query", "key", "attention"]
    visible = rounded(drawn.filter(pl.col("attention") >= LEAST_DRAWN).select(columns))
    heads = [own for _, own in drawn.group_by(HEAD, maintain_order=True)]
    chart = alt.concat(
        *(pair(own) for own in heads), columns=2, spacing=26, data=data_source(visible)
    )
    lengths = [input_length(own) // 2 for own in heads]
    most = f", at most {MOST_PATTERNS}" if every.height > MOST_PATTERNS else ""
    return Figure(
        name="induction_patterns",
        title="The same head on repeated tokens and on ordinary text",
        finding=what_they_see(drawn),
        caption=(
            "The strongest head of each model, then other induction heads by their score"
            f"{most}: left on N = {words.ranged(lengths)} random tokens "
            "given twice, right on the first tokens of a document; queries in rows, keys in "
            "columns. Formula: A[l,h,i,j]. Between the orange lines: keys i-N+1. "
            f"{OFFSETS}. Attention below {LEAST_DRAWN} is left blank. "
            f"n = {words.counted(len(heads), 'head')}, one text each. "
            "Unit: part of 1, linear scale. Positions, layers and heads count from 0."
        ),
        chart=chart.resolve_scale(color="shared"),
        data=visible,
    )


def input_length(own: pl.DataFrame) -> int:
    """Length of the repeated input of one model: a BOS, if it has one, and two times N."""
    return axis_length(own.filter(pl.col("input") == "repeated"), "query")


def pair(own: pl.DataFrame) -> alt.HConcatChart:
    """own: rows of one head."""
    row = own.row(0, named=True)
    below = "" if row["is_induction"] else ", not an induction head"
    title = f"{row['model']}: layer {row['layer']}, head {row['head']}"
    score = f"induction score {words.mass(row['induction_score'])}{below}"
    length = input_length(own)
    panels = [
        pattern(row, "repeated", "random tokens, twice", length),
        pattern(row, "ordinary", "ordinary text", length),
    ]
    return alt.hconcat(*panels, spacing=10, title=panel_title(title, score)).resolve_scale(
        color="shared"
    )


def pattern(row: dict[str, Any], kind: str, title: str, length: int) -> alt.LayerChart:
    side = (length + 2 * MARGIN) * max(1, round(153 / length))  # whole pixels a cell: no seams
    is_left = kind == "repeated"
    x, y = key_axis(length, "key:Q"), query_axis(length, "query:Q", is_left)
    cells = (
        of_model(row["model"])
        .transform_filter(alt.FieldEqualPredicate(field="layer", equal=row["layer"]))
        .transform_filter(alt.FieldEqualPredicate(field="head", equal=row["head"]))
        .transform_filter(alt.FieldEqualPredicate(field="input", equal=kind))
        .transform_calculate(right="datum.key + 1", below="datum.query + 1")
        .mark_rect(aria=False)  # thousands of cells: their names would be most of the file
        .encode(
            x=x,
            x2="right:Q",
            y=y,
            y2="below:Q",
            color=alt.Color("attention:Q", scale=LINEAR, title="attention (linear)", legend=LEGEND),
            tooltip=["query:Q", "key:Q", alt.Tooltip("attention:Q", format=".4f")],
        )
    )
    # No title of the panel: titles stand higher where an axis has labels.
    above = alt.Chart(one_row()).mark_text(align="left", baseline="bottom", fontSize=10)
    named = above.encode(x=alt.value(0), y=alt.value(-7), text=alt.value(title))
    layers = [cells, *(guides(length) if is_left else []), named]
    paper = alt.ViewBackground(fill=HEAT_STOPS[0])
    return alt.LayerChart(layer=layers, width=side, height=side, view=paper)


def positions(length: int) -> list[int]:
    """Where the axes have a tick."""
    return list(range(0, length, next(s for s in (10, 20, 50, 100, 1000) if length / s <= 8)))


def key_axis(length: int, field: str) -> alt.X:
    axis = alt.Axis(values=positions(length), format="d", grid=False, domain=False)
    return alt.X(field, title="key").scale(domain=[-MARGIN, length + MARGIN], nice=False).axis(axis)


def query_axis(length: int, field: str, labels: bool) -> alt.Y:
    """The first query on top."""
    axis = alt.Axis(values=positions(length), format="d", grid=False, labels=labels)
    title = "query" if labels else None
    return alt.Y(field, title=title).scale(domain=[length + MARGIN, -MARGIN], nice=False).axis(axis)


def guides(length: int) -> list[alt.Chart]:
    """Lines on both sides of keys i-N+1, and where the second repeat begins."""
    n, bos = length // 2, length % 2
    # Middles of the first and the last cell that count.
    start, stop = (bos + 1.5, bos + n + 0.5), (bos + n - 0.5, bos + 2 * n - 1.5)
    sides = [
        {"x": start[0] + side, "y": start[1], "to_x": stop[0] + side, "to_y": stop[1]}
        for side in (-2, 2)
    ]
    begin = bos + n
    edges = [
        {"x": 0, "y": begin, "to_x": length, "to_y": begin},
        {"x": begin, "y": begin, "to_x": begin, "to_y": length},
    ]
    looks: list[tuple[list[Any], dict[str, Any]]] = [
        (sides, {"color": GUIDE, "strokeWidth": 1}),
        (edges, {"color": PAPER_INK, "strokeWidth": 0.7, "strokeDash": [2, 2], "opacity": 0.7}),
    ]
    return [
        alt.Chart(alt.Data(values=values))
        .mark_rule(aria=False, **look)
        .encode(
            x=key_axis(length, "x:Q"),
            x2="to_x:Q",
            y=query_axis(length, "y:Q", True),
            y2="to_y:Q",
        )
        for values, look in looks
    ]


def what_they_see(drawn: pl.DataFrame) -> str:
    """What a head gives the token that came next the first time, and on ordinary text the first.

    drawn: strongest model first, with all that the heads see.
    """
    heads: list[str] = []
    repeated: list[Any] = []
    ordinary: list[Any] = []
    for _, rows in drawn.group_by(HEAD, maintain_order=True):
        length = input_length(rows)
        n, second = length // 2, length - length // 2  # second: where the second repeat begins
        key, query = pl.col("key").cast(pl.Int64), pl.col("query").cast(pl.Int64)
        # The last query would look at the second repeat's first token, which does not count.
        followed = (key == query - n + 1) & (query >= second) & (key < second)
        parked = (key == 0) & (query > 0)
        heads.append(head_name(rows.row(0, named=True)))
        for values, name, kept in (
            (repeated, "repeated", followed),
            (ordinary, "ordinary", parked),
        ):
            values.append(rows.filter(pl.col("input") == name, kept)["attention"].mean())
    return sentence(heads, repeated, ordinary)


def sentence(heads: list[str], repeated: list[Any], ordinary: list[Any]) -> str:
    """heads: at least one. A value is missing where there is no such text."""
    if len(heads) <= 2:
        who = zip(heads, repeated, ordinary, strict=True)
        return words.joined([seen(head, "gives", "its", [one], [two]) for head, one, two in who])
    return words.joined([seen(f"these {len(heads)} heads", "give", "their", repeated, ordinary)])


def seen(who: str, give: str, their: str, repeated: list[Any], ordinary: list[Any]) -> str:
    parts = [spread(values) for values in (repeated, ordinary)]
    text = f"in the second repeat {who} {give} {parts[0]} of {their} attention to the token that "
    text += "came next the first time"
    return f"{text}, and on one ordinary text {parts[1]} to the first token" if parts[1] else text


def spread(values: list[Any]) -> str:
    """'0.52', or '0.52 to 0.87'; empty where nothing is known."""
    known = [words.mass(value) for value in values if value is not None]
    return " to ".join(dict.fromkeys([min(known), max(known)])) if known else ""
