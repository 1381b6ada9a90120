"""Induction heads: which heads they are."""

from __future__ import annotations

import altair as alt
import polars as pl

from sinkscope.charts import induction_rest, words
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.induction_patterns import (
    LEGEND,
    LINEAR,
    OFFSETS,
    head_name,
    of_model,
    panel_title,
    patterns,
)
from sinkscope.charts.models import FEW
from sinkscope.charts.select import axis_length
from sinkscope.charts.theme import data_source, rounded

ROW = 780  # pixels of a row of panels
AXIS = 48  # pixels of a panel's axis, and of the space to the next
SCORE = (
    "induction score[l,h] = mean over queries i of the second repeat of A[l,h,i,i-N+1], on N "
    "random tokens given twice, mean over several seeds (Olsson et al. 2022)"
)


def figures(tables: Tables) -> list[Figure]:
    """In the order of the report; none where no head was measured."""
    heads = measured(tables["induction"])
    if heads.is_empty():
        return []
    entries = tables["induction_patterns"].with_columns(pl.col("attention").fill_nan(None))
    has_repeated = (pl.col("input") == "repeated").any().over("model")
    shown = in_turn(heads).join(
        entries.filter(has_repeated), on=["model", "layer", "head"], maintain_order="left_right"
    )
    found = [scores(heads)] + ([] if shown.is_empty() else [patterns(shown)])
    rest = heads.drop_nulls("first_token")
    return found if rest.is_empty() else [*found, *induction_rest.figures(rest)]


def measured(heads: pl.DataFrame) -> pl.DataFrame:
    """Rows with a score, in order; NaN becomes missing."""
    floats = [name for name, kind in heads.schema.items() if kind.is_float()]
    known = heads.with_columns(
        pl.col(floats).fill_nan(None), pl.col("is_induction").fill_null(False)
    )
    return known.drop_nulls("induction_score").sort("model", "layer", "head")


def strongest(heads: pl.DataFrame) -> pl.DataFrame:
    """The strongest head of each model, ties to the first; the strongest model comes first."""
    order = ["induction_score", "model", "layer", "head"]
    ordered = heads.sort(order, descending=[True, False, False, False])
    return ordered.group_by("model", maintain_order=True).first()


def in_turn(heads: pl.DataFrame) -> pl.DataFrame:
    """The strongest head of each model, then all other induction heads by their score."""
    best = strongest(heads)
    keys = ["model", "layer", "head"]
    others = heads.filter("is_induction").join(best, on=keys, how="anti")
    others = others.sort("induction_score", *keys, descending=[True, False, False, False])
    return pl.concat([best, others.select(best.columns)])


def scores(heads: pl.DataFrame) -> Figure:
    drawn = rounded(heads)
    models = drawn["model"].unique(maintain_order=True).to_list()
    rows: list[list[alt.LayerChart]] = [[]]
    used = 0
    for model in models:
        own = drawn.filter(pl.col("model") == model)
        across = axis_length(own, "layer")
        width = across * cell_side(across, ROW)
        if rows[-1] and used + width > ROW:
            rows.append([])
            used = 0
        rows[-1].append(score_panel(own, model))
        used += width + AXIS
    lines = [alt.hconcat(*row, spacing=14).resolve_scale(color="shared") for row in rows]
    chart = alt.vconcat(*lines, spacing=18, data=data_source(drawn))
    threshold = drawn["threshold"][0]
    n_duplicate = drawn.filter(pl.col("duplicate_score") >= pl.col("threshold")).height
    return Figure(
        name="induction_scores",
        title="Induction score of every head",
        finding=how_many(heads),
        caption=(
            f"White dots: induction heads, with a score of {threshold:g} or more. Formula: "
            f"{SCORE}. {OFFSETS}; by the same mark "
            f"{words.counted(n_duplicate, 'head')} of all {words.integer(drawn.height)} would be "
            f"duplicate-token heads. n = {panel_sizes(drawn)} heads a model. "
            "Unit: part of 1, linear scale. Layers and heads count from 0."
        ),
        chart=chart.resolve_scale(color="shared"),
        data=drawn,
    )


def panel_sizes(heads: pl.DataFrame) -> str:
    return words.ranged(heads.group_by("model").len()["len"].to_list())


def cell_side(number: int, most: int) -> int:
    """Pixels of a cell, so that `number` of them take no more than `most` where they can."""
    return max(7, min(18, most // number))


def score_panel(own: pl.DataFrame, model: str) -> alt.LayerChart:
    """own: the rows of `model`."""
    n_layers, n_heads = axis_length(own, "layer"), axis_length(own, "head")
    wide, tall = cell_side(n_layers, ROW), cell_side(n_heads, 400)
    ticks = alt.Axis(labelOverlap=True, labelAngle=0, ticks=False, domain=False)
    base = of_model(model).encode(
        x=alt.X("layer:O", axis=ticks, title="layer"),
        y=alt.Y("head:O", axis=ticks, title="head"),
        tooltip=[
            alt.Tooltip("model:N"),
            alt.Tooltip("layer:O"),
            alt.Tooltip("head:O"),
            alt.Tooltip("induction_score:Q", title="induction score (i-N+1)", format=".4f"),
            alt.Tooltip("duplicate_score:Q", title="same token (i-N)", format=".4f"),
        ],
    )
    cells = base.mark_rect().encode(
        color=alt.Color(
            "induction_score:Q", scale=LINEAR, title="induction score (linear)", legend=LEGEND
        )
    )
    dots = base.transform_filter("datum.is_induction === 'true'").mark_point(
        shape="circle",
        filled=True,
        fill="white",
        stroke="#15171b",
        strokeWidth=1,
        size=min(wide, tall) ** 2 * 0.16,
        opacity=1,
    )
    n_found = own["is_induction"].sum()
    title = panel_title(model, f"{n_found} of {words.counted(own.height, 'head')}")
    return alt.LayerChart(
        layer=[cells, dots], title=title, width=n_layers * wide, height=n_heads * tall
    )


def how_many(heads: pl.DataFrame) -> str:
    """heads: measured."""
    counts = (
        heads.group_by("model", maintain_order=True)
        .agg(pl.col("is_induction").sum().alias("n"), pl.len().alias("of"))
        .sort(pl.col("n") / pl.col("of"), "model", descending=[True, False])
    )
    mark = f"a score of {heads['threshold'][0]:g} or more"
    best = strongest(heads).row(0, named=True)
    top = f"the strongest is {head_name(best)} with {words.mass(best['induction_score'])}"
    n_models = counts.height
    some = counts.filter(pl.col("n") > 0)
    if some.is_empty():
        names = counts["model"].to_list()
        where = words.listed(names) if n_models <= FEW else f"{n_models} models"
        return f"No head of {where} is an induction head ({mark}); {top}."
    if n_models <= FEW:
        parts = [
            f"{words.integer(row['n']) if row['n'] else 'none'} of "
            f"{words.counted(row['of'], 'head')} in {row['model']}"
            for row in counts.iter_rows(named=True)
        ]
        return f"Induction heads ({mark}) are {words.listed(parts)}; {top}."
    ends = [
        f"{row['n']} of {words.counted(row['of'], 'head')} ({row['model']})"
        for row in (some.row(-1, named=True), some.row(0, named=True))
    ]
    which = f"from {ends[0]} to {ends[1]}" if some.height > 1 else ends[0]
    have = "have" if some.height > 1 else "has"
    return f"{some.height} of {n_models} models {have} induction heads ({mark}): {which}; {top}."
