"""Where induction heads rest: what they give the first token of ordinary text."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from sinkscope.charts import words
from sinkscope.charts.figure import Figure
from sinkscope.charts.induction_every_head import (
    INDUCTION,
    OTHERS,
    PEERS,
    SOURCE,
    every_head,
    looks,
)
from sinkscope.charts.models import FEW
from sinkscope.charts.theme import data_source, rounded

HALF = 0.5
# Columns of the table: title of its axis, and what a value is a part of.
MEASURES = {
    "first_token": "attention to the first token",
    "over_half": "queries that give it more than half",
}


def figures(rest: pl.DataFrame) -> list[Figure]:
    """rest: measured heads with their attention to the first token of ordinary text."""
    return [dormancy(rest), every_head(rest)]


def groups(rest: pl.DataFrame) -> pl.DataFrame:
    """A row a model: number of induction heads and of others, and the mean of both groups."""
    kinds = {"induction": pl.col("is_induction"), "others": ~pl.col("is_induction")}
    return (
        rest.group_by("model", maintain_order=True)
        .agg(
            *(kind.sum().alias(f"n_{name}") for name, kind in kinds.items()),
            *(
                pl.col(measure).filter(kind).mean().alias(f"{measure}_{name}")
                for measure in MEASURES
                for name, kind in kinds.items()
            ),
            *(pl.col(f"{measure}_peers").filter(kinds["induction"]).mean() for measure in MEASURES),
            n_resting=(pl.col("is_induction") & (pl.col("first_token") > HALF)).sum(),
        )
        .sort("model")
    )


def dormancy(rest: pl.DataFrame) -> Figure:
    """A row a model, two marks joined by a line, and their numbers."""
    found = groups(rest)
    drawn = rounded(
        found.with_columns(
            label=pl.format("{} ({} of {})", "model", "n_induction",
                            pl.col("n_induction") + pl.col("n_others"))
        )
    )  # fmt: skip
    labels = drawn["label"].to_list()
    panels = [dumbbells(measure, labels, first=i == 0) for i, measure in enumerate(MEASURES)]
    chart = alt.concat(*panels, columns=2, spacing=16, data=data_source(drawn))
    return Figure(
        name="induction_dormancy",
        title="Induction heads at rest",
        finding=do_they_rest(found, rest["threshold"][0]),
        caption=(
            "Induction heads against all other heads of the same model, on the corpus's ordinary "
            "text; beside the name, how many of the heads are induction heads; at the right, the "
            "values of induction heads and others. Triangles: for each induction head the mean of "
            "the heads of its own layer that are none, since later layers rest more. Formula: mean "
            "over heads of the mean over queries of A[l,h,i,0] (left) and of the share of queries "
            f"i > 0 with A[l,h,i,0] > {HALF} (right), mean over documents. {SOURCE}. "
            f"n = {words.ranged((found['n_induction'] + found['n_others']).to_list())} heads a "
            "model. Unit: part of 1; percent of queries."
        ),
        chart=chart.resolve_scale(color="shared", shape="shared"),
        data=drawn,
    )


def dumbbells(measure: str, labels: list[str], first: bool) -> alt.LayerChart:
    one, other, peers = (f"{measure}_{group}" for group in ("induction", "others", "peers"))
    form = ".2f" if measure == "first_token" else ".0%"
    y = alt.Y("label:N", title=None, sort=labels)
    y = y.axis(
        labelFontSize=12, labelLimit=260, labelPadding=8, grid=True, tickBand="center", labels=first
    )
    x = alt.X(f"{one}:Q", title=MEASURES[measure]).scale(domain=[0, 1])
    x = x.axis(values=[0, 0.25, 0.5, 0.75, 1], grid=True, format=".2~f" if first else "%")
    base = alt.Chart().encode(
        y=y,
        tooltip=[
            alt.Tooltip("model:N"),
            alt.Tooltip("n_induction:Q", title="induction heads"),
            alt.Tooltip(f"{one}:Q", title="their mean", format=form),
            alt.Tooltip("n_others:Q", title="other heads"),
            alt.Tooltip(f"{other}:Q", title="their mean", format=form),
            alt.Tooltip(f"{peers}:Q", title="mean of the same layers", format=form),
        ],
    )
    both = f"isValid(datum.{one}) && isValid(datum.{other})"
    line = base.transform_filter(both).mark_rule(strokeWidth=2, opacity=0.35)
    line = line.encode(x=x, x2=f"{other}:Q")
    marks = [
        base.transform_filter(f"isValid(datum.{field})")
        .transform_calculate(kind=f"'{group}'")
        .mark_point(filled=True, opacity=1, size=110)
        .encode(x=x if field == one else f"{field}:Q", **looks())
        for field, group in ((other, OTHERS), (peers, PEERS), (one, INDUCTION))
    ]
    number = f"format(datum.{{}}, '{form}')"
    says = (
        f"(isValid(datum.{one}) ? {number.format(one)} : 'none') + ', others ' + "
        f"(isValid(datum.{other}) ? {number.format(other)} : 'none')"
    )
    text = base.transform_calculate(says=says).mark_text(align="left", dx=10, fontSize=11.5)
    text = text.encode(x=alt.value("width"), text="says:N")
    return alt.LayerChart(layer=[line, *marks, text], width=210, height=30 * len(labels))


def do_they_rest(found: pl.DataFrame, threshold: float) -> str:
    """found: groups."""
    there = found.filter(pl.col("n_induction") > 0)
    without = found.filter(pl.col("n_induction") == 0)["model"].to_list()
    names = words.listed(without) if len(without) <= FEW else f"{len(without)} models"
    if there.is_empty():
        return f"No head of {names} scores {threshold:g}: there is no induction head to compare."
    n, n_resting = int(there["n_induction"].sum()), int(there["n_resting"].sum())
    give, their = ("gives", "its") if n_resting == 1 else ("give", "their")
    text = (
        f"On ordinary text {words.integer(n_resting)} of {words.counted(n, 'induction head')} "
        f"{give} the first token more than half of {their} attention, as a mean over queries"
    )
    if there.height <= FEW:
        averages = [average(row) for row in there.iter_rows(named=True)]
        text += f"; on average they give it {words.listed(averages)}"
    else:
        text += compared(there.drop_nulls("first_token_others"))
    text += within_layers(there.drop_nulls("first_token_peers"))
    return f"{text}; no induction heads in {names}." if without else f"{text}."


def within_layers(found: pl.DataFrame) -> str:
    """found: groups of models with induction heads that have peers."""
    if found.is_empty():
        return ""
    more = found.filter(pl.col("first_token_induction") > pl.col("first_token_peers"))
    if found.height > FEW:
        return (
            f"; more than the other heads of their own layers in {more.height} of "
            f"{words.counted(found.height, 'model')}"
        )
    parts = [
        f"{words.mass(row['first_token_peers'])} in {row['model']}"
        for row in found.iter_rows(named=True)
    ]
    return f"; the other heads of their own layers give it {words.listed(parts)}"


def compared(both: pl.DataFrame) -> str:
    """both: rows of models that have induction heads and others."""
    if both.is_empty():
        return ""
    more = pl.col("first_token_induction") - pl.col("first_token_others")
    ordered = both.with_columns(more=more).sort("more", "model", descending=[True, False])
    n, n_more = both.height, ordered.filter(pl.col("more") > 0).height
    text = f"; on average they give it more than the other heads do in {n_more} of "
    text += words.counted(n, "model")
    if n_more:
        text += f", by most in {against(ordered.row(0, named=True))}"
    if n > 1:
        least = against(ordered.row(-1, named=True))
        text += f", by least in {least}" if n_more == n else f", not in {least}"
    return text


def against(row: dict[str, Any]) -> str:
    one, other = words.mass(row["first_token_induction"]), words.mass(row["first_token_others"])
    return f"{row['model']} ({one} against {other})"


def average(row: dict[str, Any]) -> str:
    text = f"{words.mass(row['first_token_induction'])} in {row['model']}"
    others = row["first_token_others"]
    return text if others is None else f"{text} (other heads {words.mass(others)})"
