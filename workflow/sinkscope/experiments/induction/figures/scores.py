"""The induction score of every head, with induction heads marked."""

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts.channels import heat, only, panel_title, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.strips import cell_axis, cell_side, strip
from sinkscope.charts.select import axis_length
from sinkscope.charts.theme import rounded
from sinkscope.experiments.induction.heads import OFFSETS, heads_per_model, measured, strongest
from sinkscope.findings.finding import Finding

ROW = 780  # pixels of a row of panels
TALLEST = 400
AXIS = 48  # pixels of a panel's axis, and of the space to the next
SCORE = (
    "induction score[l,h] = mean over queries i of the second repeat of A[l,h,i,i-N+1], on N "
    "random tokens given twice, mean over several seeds (Olsson et al. 2022)"
)

MARK = "{% set mark = '(a score of %g or more)' | format(threshold) %}"
NONE = "No head of {{ models | names | models_or_number }} is an induction head {{ mark }}"
EACH = (
    "Induction heads {{ mark }} are {% for row in models %}"
    "{{ loop.index | separator(loop.length) }}{{ row.n | integer if row.n else 'none' }} of "
    "{{ row.of | counted('head') }} in {{ row.model }}{% endfor %}"
)
EXTREMES = (
    "{% macro some(row) %}{{ row.n }} of {{ row.of | counted('head') }} ({{ row.model }})"
    "{% endmacro %}"
    "{{ n_with }} of {{ n_models }} models {{ 'have' if n_with > 1 else 'has' }} induction heads "
    "{{ mark }}: {{ 'as a share of heads from ' if n_with > 1 }}{{ some(models[n_with - 1]) }}"
    "{{ ' to ' ~ some(models[0]) if n_with > 1 }}"
)
TOP = (
    "; the strongest is {{ strongest[0] | head_name }} with "
    "{{ strongest[0].induction_score | mass }}."
)


def figure(tables: Tables) -> Figure | None:
    """One strip per model, layers by heads."""
    heads = measured(tables)
    if heads.is_empty():
        return None
    drawn = rounded(heads)
    threshold = drawn["threshold"][0]
    n_duplicate = drawn.filter(pl.col("duplicate_score") >= pl.col("threshold")).height
    return Figure(
        name="induction_scores",
        title="Induction score of every head",
        finding=finding(heads),
        caption=(
            f"White dots: induction heads, with a score of {threshold:g} or more. Formula: "
            f"{SCORE}. {OFFSETS}; by the same mark "
            f"{words.counted(n_duplicate, 'head')} of all {words.integer(drawn.height)} would be "
            f"duplicate-token heads. n = {words.ranged(heads_per_model(drawn))} heads per model. "
            "Unit: part of 1, linear scale. Layers and heads count from 0."
        ),
        chart=chart(drawn),
        data=drawn,
    )


def finding(heads: pl.DataFrame) -> Finding:
    """The number of induction heads of each model."""
    counts = (
        heads.group_by("model", maintain_order=True)
        .agg(pl.col("is_induction").sum().alias("n"), pl.len().alias("of"))
        .sort(pl.col("n") / pl.col("of"), "model", descending=[True, False])
    )
    best = strongest(heads).head(1).select("model", "layer", "head", "induction_score")
    n_with = counts.filter(pl.col("n") > 0).height
    each = EACH if counts.height <= words.FEW else EXTREMES
    return Finding(
        f"{MARK}{each if n_with else NONE}{TOP}",
        {
            "threshold": heads["threshold"][0],
            "n_models": counts.height,
            "n_with": n_with,
            "models": counts.to_dicts(),  # those without induction heads come last
            "strongest": best.to_dicts(),
        },
    )


def chart(drawn: pl.DataFrame) -> alt.VConcatChart:
    """One panel per model, as wide as it has layers, in rows that fit the page."""
    lines: list[list[alt.LayerChart]] = [[]]
    row_width = 0
    for (model,), rows in drawn.group_by("model", maintain_order=True):
        n_layers = axis_length(rows, "layer")
        width = n_layers * cell_side(n_layers, ROW)
        if lines[-1] and row_width + width > ROW:
            lines.append([])
            row_width = 0
        lines[-1].append(panel(rows, str(model)))
        row_width += width + AXIS
    joined = [alt.hconcat(*row, spacing=14).resolve_scale(color="shared") for row in lines]
    chart = alt.vconcat(*joined, spacing=18)
    return chart.resolve_scale(color="shared")


def panel(rows: pl.DataFrame, model: str) -> alt.LayerChart:
    """rows: those of `model`."""
    n_layers, n_heads = axis_length(rows, "layer"), axis_length(rows, "head")
    wide, tall = cell_side(n_layers, ROW), cell_side(n_heads, TALLEST)
    x = alt.X("layer:O", title="layer", axis=cell_axis())
    y = alt.Y("head:O", title="head", axis=cell_axis())
    tooltip = tips(
        "model:N",
        "layer:O",
        "head:O",
        ("induction_score:Q", "induction score (i-N+1)", ".4f"),
        ("duplicate_score:Q", "same token (i-N)", ".4f"),
    )
    color = heat("induction_score", "induction score (linear)")
    cells = strip(x, y, color, tooltip, base=only(model=model))
    dots = (
        only(model=model)
        .transform_filter("datum.is_induction === 'true'")
        .mark_point(
            shape="circle", filled=True, fill="white", stroke="#15171b", strokeWidth=1,
            size=min(wide, tall) ** 2 * 0.16, opacity=1,
        )
        .encode(x=x, y=y, tooltip=tooltip)
    )  # fmt: skip
    subtitle = f"{rows['is_induction'].sum()} of {words.counted(rows.height, 'head')}"
    return alt.LayerChart(
        layer=[cells, dots],
        title=panel_title(model, subtitle),
        width=n_layers * wide,
        height=n_heads * tall,
    )
