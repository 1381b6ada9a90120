"""Every published number between 0 and 1, with the number measured here."""

from statistics import median
from typing import Any

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts.channels import N_DOCUMENTS, estimated, interval_rule, rows_axis, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.marks import Look, mark_looks, marks
from sinkscope.claims.summary import NOTES, parts
from sinkscope.findings.finding import Finding

# Per row: the printed (or noted) number, the number of the same model here, those of relatives.
KINDS: dict[str, Look] = {
    "published": ("#8e44dd", "diamond"),
    "noted by this project": ("#777777", "square"),
    "measured, same model": ("#0072b2", "circle"),
    "measured, a relative": ("#c08a00", "triangle-up"),
}
FINDING = (
    "{% if n %}{{ 'One number' if n == 1 else n | counted('number') }} of models that were in this "
    "run can be compared: the median distance from the printed numbers is "
    "{{ median | decimals(3) }}, the largest {{ largest | decimals(3) }}."
    "{% else %}No model for which a study prints a number was in this run.{% endif %}"
)


def figure(tables: Tables) -> Figure | None:
    """None if no claim has such a number."""
    drawn = compared(tables["claims"])
    if drawn.is_empty():
        return None
    n_numbers = drawn["label"].n_unique()
    y = rows_axis("label", alt.EncodingSortField("number", op="min"))
    look = mark_looks("kind", KINDS)
    color: Any = look["color"]
    # A mark beyond the axis would leave no room for it: a page fits chart and marks to its width.
    end = max([1.0, *drawn["value"].to_list(), *drawn["high"].drop_nulls().to_list()])
    rule = interval_rule(alt.Chart().encode(y=y, color=color), "low", "high")
    mark = marks(
        alt.X("value:Q", title="published and measured number").scale(domain=[0, end]),
        y,
        look,
        tips(("label:N", "claim"), ("kind:N", "number"), "model:N", *estimated("value", ends=""),
             N_DOCUMENTS),
    )  # fmt: skip
    chart = alt.LayerChart(layer=[rule, mark])
    return Figure(
        name="claims_numbers",
        title="Published and measured",
        finding=Finding(FINDING, distances(tables["claims"])),
        caption=(
            "Numbers between 0 and 1 that studies print, in the order of the claims, with those "
            "of the same model here or, if it did not run, of its relatives (other models of the "
            "same architecture). Notes of this project, measured when it was designed, are drawn "
            "separately and not counted in the sentence. The documents differ from those of the "
            "studies but are of the same kinds, and some claims only state a lower or an upper "
            "limit. Rule: 95 % bootstrap interval over documents, of numbers that are means "
            "over documents; measured numbers may exceed 1. "
            f"n = {words.counted(n_numbers, 'number')}. Unit: share or part of "
            "attention, as in the claim."
        ),
        chart=chart.properties(width=460, height=22 * n_numbers),
        data=drawn,
    )


def compared(claims: pl.DataFrame) -> pl.DataFrame:
    """number, label, model, kind, value: every printed fraction, and the numbers measured here for
    it."""
    several = pl.col("subject").n_unique().over("claim") > 1
    label = pl.when(several).then(pl.format("{} {}", "claim", "subject")).otherwise("claim")
    published, noted, measured, relative = KINDS
    rows = parts(claims).select(
        "study", "subject", "model", "published", "measured", "low", "high", "n_documents",
        number=pl.col("number").cast(pl.Int64),
        label=label,
        kind=pl.when("is_relative").then(pl.lit(relative)).otherwise(pl.lit(measured)),
    )  # fmt: skip
    by_whom = pl.when(pl.col("study") == NOTES).then(pl.lit(noted)).otherwise(pl.lit(published))
    columns = {"number": "number", "label": "label", "model": "subject", "value": "published"}
    printed = rows.select(**columns, kind=by_whom).unique()
    columns |= {"model": "model", "value": "measured", "kind": "kind"}
    here = rows.drop_nulls("measured").select(**columns, low="low", high="high",
                                              n_documents="n_documents")  # fmt: skip
    both = pl.concat([printed, here], how="diagonal")
    return both.sort("number", "label", "kind", "model")


def distances(claims: pl.DataFrame) -> dict[str, int | float]:
    """Distances between published and measured numbers of the same models: n, median, largest.
    Notes of this project do not count."""
    same = parts(claims).filter(~pl.col("is_relative"), pl.col("study") != NOTES)
    far = same["difference"].drop_nulls().abs().to_list()
    return {"n": len(far)} | ({"median": median(far), "largest": max(far)} if far else {})
