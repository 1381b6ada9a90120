"""Attention of the strongest induction heads, on repeated tokens and on ordinary text."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts.channels import only, panel_title, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.patterns import EDGE, GUIDE, LEAST_DRAWN, Segment, pattern
from sinkscope.charts.select import axis_length
from sinkscope.experiments.induction.heads import OFFSETS, by_strength, measured
from sinkscope.findings.finding import Finding

MOST_PATTERNS = 8
HEAD = ["model", "layer", "head"]

EACH = (
    "{% for row in heads %}{{ 'In' if loop.first else '; in' }} the second repeat "
    "{{ row | head_name }} gives {{ row.repeated | mass }} of its attention to the token that came "
    "next the first time{% if row.ordinary is not none %}, and on one ordinary text "
    "{{ row.ordinary | mass }} to the first token{% endif %}{% endfor %}."
)
TOGETHER = (
    "{% set ordinary = heads | map(attribute='ordinary') | spread('.2f') %}"
    "In the second repeat these {{ n_heads }} heads give "
    "{{ heads | map(attribute='repeated') | spread('.2f') }} of their attention to the token that "
    "came next the first time"
    "{% if ordinary %}, and on one ordinary text {{ ordinary }} to the first token{% endif %}."
)


def figure(tables: Tables) -> Figure | None:
    """Two panels per head: repeated tokens at the left, ordinary text at the right."""
    shown = entries(tables)
    if shown.is_empty():
        return None
    every = shown.select(HEAD).unique(maintain_order=True)
    drawn = shown.join(every.head(MOST_PATTERNS), on=HEAD, maintain_order="left")
    columns = [*HEAD, "induction_score", "input", "query", "key", "attention"]
    visible = drawn.filter(pl.col("attention") >= LEAST_DRAWN).select(columns)
    heads = [rows for _, rows in drawn.group_by(HEAD, maintain_order=True)]
    chart = alt.concat(*map(pair, heads), columns=2, spacing=26)
    lengths = [input_length(rows) // 2 for rows in heads]
    most = f", at most {MOST_PATTERNS}" if every.height > MOST_PATTERNS else ""
    return Figure(
        name="induction_patterns",
        title="The same head on repeated tokens and on ordinary text",
        finding=finding(heads),
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


def entries(tables: Tables) -> pl.DataFrame:
    """Rows of induction_patterns joined to the scores of their heads; heads to show first come
    first. Of ordinary text only as many tokens as of the repeated ones."""
    table = tables["induction_patterns"].with_columns(pl.col("attention").fill_nan(None))
    last = pl.col("query").filter(pl.col("input") == "repeated").max().over("model")
    heads = by_strength(measured(tables))
    shown = table.filter(pl.col("query") <= last)  # none of a model without the repeated tokens
    return heads.join(shown, on=HEAD, maintain_order="left_right")


def input_length(rows: pl.DataFrame) -> int:
    """Tokens of the repeated input of one model: 2 N, plus one if it begins with a BOS."""
    return axis_length(rows.filter(pl.col("input") == "repeated"), "query")


def finding(heads: Sequence[pl.DataFrame]) -> Finding:
    """heads: the rows of each head, the strongest model's first."""
    each = [head.row(0, named=True) | attention_of(head) for head in heads]
    shown = [{name: one[name] for name in (*HEAD, "repeated", "ordinary")} for one in each]
    return Finding(EACH if len(heads) <= 2 else TOGETHER, {"n_heads": len(heads), "heads": shown})


def attention_of(rows: pl.DataFrame) -> dict[str, Any]:
    """repeated: mean attention to the token that came next the first time. ordinary: mean attention
    to the first token. Null if there is no such text."""
    length = input_length(rows)
    n, second = length // 2, length - length // 2  # second: where the second repeat begins
    key, query = pl.col("key").cast(pl.Int64), pl.col("query").cast(pl.Int64)
    conditions = {
        # The last query would look at the second repeat's first token, which does not count.
        "repeated": (key == query - n + 1) & (query >= second) & (key < second),
        "ordinary": (key == 0) & (query > 0),
    }
    return {
        name: rows.filter(pl.col("input") == name, cells)["attention"].mean()
        for name, cells in conditions.items()
    }


def pair(rows: pl.DataFrame) -> alt.HConcatChart:
    """The two panels of one head. rows: those of the head."""
    row = rows.row(0, named=True)
    below = "" if row["is_induction"] else ", not an induction head"
    score = f"induction score {words.mass(row['induction_score'])}{below}"
    title = panel_title(f"{row['model']}: layer {row['layer']}, head {row['head']}", score)
    length = input_length(rows)
    texts = {"repeated": "random tokens, twice", "ordinary": "ordinary text"}
    panels = [
        pattern(
            only(model=row["model"], layer=row["layer"], head=row["head"], input=name),
            length,
            text,
            tips("query:Q", "key:Q", ("attention:Q", "", ".4f")),
            is_left=name == "repeated",
            guides=guides(length) if name == "repeated" else (),
        )
        for name, text in texts.items()
    ]
    return alt.hconcat(*panels, spacing=10, title=title).resolve_scale(color="shared")


def guides(length: int) -> list[tuple[list[Segment], Mapping[str, Any]]]:
    """Lines on both sides of keys i-N+1, and where the second repeat begins."""
    n, bos = length // 2, length % 2
    # Centres of the first and the last cell of the diagonal.
    start, stop = (bos + 1.5, bos + n + 0.5), (bos + n - 0.5, bos + 2 * n - 1.5)
    sides = [(start[0] + side, start[1], stop[0] + side, stop[1]) for side in (-2, 2)]
    begin = bos + n
    edges: list[Segment] = [(0, begin, length, begin), (begin, begin, begin, length)]
    return [(sides, GUIDE), (edges, EDGE)]
