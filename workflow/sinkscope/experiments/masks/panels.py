"""A cost of masks against the fraction of pairs that they keep: one panel per model, and one with
the masks of all models."""

from collections.abc import Sequence

import altair as alt
import polars as pl

from sinkscope.charts.channels import N_DOCUMENTS, OF_ONE, estimated, panels, tips
from sinkscope.charts.forms.lines import IS_DOCUMENT, IS_MEAN, POINT
from sinkscope.charts.forms.marks import Look, mark_looks
from sinkscope.charts.of_documents import with_points
from sinkscope.charts.theme import ALL_DOCUMENTS

ALL = "all models"
# Colours and shapes of masks, in the order of the fraction of pairs that they keep.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#8e44dd", "#c08a00", "#cc79a7", "#8c4a2b", "#4da3d9")
SHAPES = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross")
IS_CONTROL, IS_MASK = "datum.is_control === 'true'", "datum.is_control === 'false'"
CAPTION = (
    "Filled: a mask; hollow, dashed line: its control, with the same number of random keys per "
    "query in place of its sinks. Every query keeps itself; keys hidden by the model stay "
    "hidden. sinks: keys that are sinks of the layer in the dense pass over the same text; "
    "window(w): keys fewer than w tokens away; random(r): r random keys per query in addition; "
    "+, -: with, without. "
)


def drawn_costs(costs: pl.DataFrame, table: pl.DataFrame, value: str) -> pl.DataFrame:
    """The rows of mask_costs with a value, except dense ones, once in the panel of their model,
    where documents follow, and once in that of all models. There they have no interval, which would
    hide the points. table: masks."""
    columns = ["model", "mask", "is_control", "share_of_pairs", value]
    ends = [f"{value}_low", f"{value}_high", "n_documents"]
    rows = costs.filter(pl.col("mask") != "dense").drop_nulls(value).sort(*columns[:3])
    dense = table.filter(pl.col("mask") == "dense").select("model", "document", dense="loss")
    changed = table.filter(pl.col("mask") != "dense").join(dense, on=["model", "document"])
    changed = changed.with_columns(loss_change=pl.col("loss") - pl.col("dense")).drop_nulls(value)
    changed = changed.select(*columns, "document", "n_tokens").sort(*columns[:3], "document")
    drawn = with_points(rows.select(*columns, *ends), changed).with_columns(panel="model")
    if rows["model"].n_unique() < 2:
        return drawn
    of_all = rows.select(*columns, panel=pl.lit(ALL), document=pl.lit(ALL_DOCUMENTS))
    return pl.concat([drawn, of_all], how="diagonal_relaxed")


def masks_in_order(costs: pl.DataFrame) -> list[str]:
    """The masks, those that keep fewest pairs first."""
    shares = costs.group_by("mask").agg(pl.col("share_of_pairs").mean())
    masks: list[str] = shares.sort("share_of_pairs", "mask")["mask"].to_list()
    return [mask for mask in masks if mask != "dense"]


def cost_panels(drawn: pl.DataFrame, masks: Sequence[str], y: alt.Y, value: str) -> alt.FacetChart:
    """drawn: returned by drawn_costs. y: of the value."""
    by_name: dict[str, Look] = {
        mask: (COLOURS[i % len(COLOURS)], SHAPES[i % len(SHAPES)]) for i, mask in enumerate(masks)
    }
    look = mark_looks("mask", by_name, columns=3)
    x = alt.X("share_of_pairs:Q", title="fraction of pairs kept").scale(domain=[0, 1])
    x = x.axis(format=".1f", tickCount=5)
    tooltip = tips(
        "model:N",
        "mask:N",
        ("is_control:N", "control"),
        ("share_of_pairs:Q", "pairs", ".3f"),
        *estimated(value),
        N_DOCUMENTS,
        *OF_ONE,
    )
    color = look["color"]
    base = alt.Chart().transform_filter(IS_MEAN).encode(x=x)
    single = alt.Chart().transform_filter(IS_DOCUMENT).mark_point(filled=True, size=9)
    single = single.encode(x=x, y=y, color=color, opacity=alt.value(POINT), tooltip=tooltip)
    link = base.mark_line(strokeDash=[3, 3], strokeWidth=1, opacity=0.7)
    rule = base.transform_filter(f"isValid(datum.{value}_low)").mark_rule()
    low = alt.Y.from_dict({**y.to_dict(), "field": f"{value}_low"})  # type: ignore[dict-item]
    filled, hollow = (
        base.transform_filter(which).mark_point(filled=fill, size=50, opacity=0.85)
        for which, fill in ((IS_MASK, True), (IS_CONTROL, False))
    )
    layers = [
        single,
        link.encode(y=y, color=color, detail=["model:N", "mask:N"]),
        rule.encode(y=low, y2=f"{value}_high:Q", color=color),
        *(points.encode(y=y, **look, tooltip=tooltip) for points in (filled, hollow)),
    ]
    chart = alt.LayerChart(layer=layers, width=200, height=150)
    models = drawn["model"].unique().sort().to_list()
    return panels(chart, "panel", 3, [*models, ALL])
