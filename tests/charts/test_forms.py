"""Forms of charts: each is a valid specification, whose drawing shows what it was given."""

import re

import altair as alt
import polars as pl
import pytest

from sinkscope.charts.channels import (
    above,
    by_document,
    heat,
    only,
    panel_title,
    panels,
    rows_axis,
    threshold,
    tips,
)
from sinkscope.charts.figure import Figure, as_svg
from sinkscope.charts.forms.bars import bars
from sinkscope.charts.forms.lines import mean_panels
from sinkscope.charts.forms.marks import mark_looks, marks
from sinkscope.charts.forms.patterns import EDGE, GUIDE, pattern
from sinkscope.charts.forms.strips import cell_axis, cell_side, strip
from sinkscope.findings.finding import Finding

LOOKS = {"first": ("#009e73", (1, 0)), "second": ("#8e44dd", (3, 3))}
SHAPES = {"first": ("#009e73", "circle"), "second": ("#8e44dd", "square")}
DRAWN = pl.DataFrame(
    {
        "model": ["m", "m", "m", "m", "n", "n"],
        "layer": [0, 1, 0, 1, 0, 1],
        "line": ["first", "first", "second", "second", "first", "first"],
        "value": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
    }
)


def svg(chart, data=DRAWN):
    return as_svg(Figure("f", "title", Finding("found"), "caption", chart, data).spec())


def marked(drawing, mark):
    """Items of all groups of a mark."""
    groups = re.findall(rf'<g class="mark-{mark} role-mark[^>]*>(.*?)</g>', drawing, re.DOTALL)
    return sum(group.count("<path") + group.count("<text") for group in groups)


def test_a_mean_has_a_band_and_a_point_per_document():
    mean = DRAWN.with_columns(
        document=pl.lit("all documents"), n_documents=pl.lit(2), n_tokens=pl.lit(None),
        value_low=pl.col("value") - 0.05, value_high=pl.col("value") + 0.05,
    )  # fmt: skip
    single = DRAWN.with_columns(document=pl.lit("one"), n_tokens=pl.lit(12))
    data = pl.concat([mean, single], how="diagonal_relaxed")
    drawing = svg(mean_panels(data, alt.Y("value:Q"), LOOKS), data)
    assert marked(drawing, "line") == marked(drawing, "area") == 3
    assert marked(drawing, "symbol") == 2 * DRAWN.height  # of the line, and of the documents
    assert drawing.count(">second</text>") == 1


def test_a_strip_has_a_cell_per_row():
    cells = strip(
        alt.X("layer:O", axis=cell_axis()),
        alt.Y("line:O", axis=cell_axis(labels=False)),
        heat("value", "value (linear)"),
        tips("layer:O", ("value:Q", "", ".2f")),
        base=only(model="m"),
    )
    drawing = svg(cells)
    assert marked(drawing, "rect") == 4
    assert "value (linear)" in drawing


def test_cells_are_neither_too_small_nor_too_large():
    assert [cell_side(number, 400) for number in (1, 40, 1000)] == [18, 10, 7]


def test_marks_have_one_legend_of_colour_and_shape():
    mark = marks(
        alt.X("value:Q"), rows_axis("model", ["n", "m"]), mark_looks("line", SHAPES), tips("line:N")
    )
    drawing = svg(mark.properties(width=100, height=60))
    assert marked(drawing, "symbol") == DRAWN.height
    assert drawing.count(">second</text>") == 1


def test_a_bar_has_the_rule_of_its_interval_if_there_is_one():
    data = pl.DataFrame(
        {"model": ["m", "n"], "value": [0.2, 0.6], "low": [0.1, None], "high": [0.4, None]}
    )
    bar = bars(
        alt.X("value:Q"), rows_axis("model", ["n", "m"], grid=False), alt.Color("model:N"),
        tips("model:N"), width=100, height=50, number="datum.value", interval=("low", "high"),
    )  # fmt: skip
    drawing = svg(bar, data)
    assert marked(drawing, "rect") == 2
    groups = re.findall(r"mark-rule role-mark[^>]*>(.*?)</g>", drawing, re.DOTALL)
    assert sum(group.count("<line") for group in groups) == 1


@pytest.mark.parametrize(("at_right", "number"), [(False, "datum.layer"), (True, "'x'")])
def test_bars_have_their_numbers(at_right, number):
    bar = bars(
        alt.X("value:Q"),
        rows_axis("model", ["n", "m"], grid=False),
        alt.Color("model:N"),
        tips("model:N"),
        width=100,
        height=50,
        number=number,
        at_right=at_right,
        limit=0.3,
        base=only(line="first", layer=1),
    )
    drawing = svg(bar)
    assert marked(drawing, "rect") == 2
    assert marked(drawing, "text") == 2
    assert drawing.count("stroke-dasharray") == 1


def test_a_pattern_has_its_cells_its_guides_and_its_name():
    rows = [("m", q, k, 1 / (q + 1)) for q in range(3) for k in range(q + 1)]
    data = pl.DataFrame(rows, schema=["model", "query", "key", "attention"], orient="row")
    guides = [([(0, 0, 3, 3)], EDGE)]
    panel = pattern(
        only(model="m"), 3, "layer 7", ["query:Q"], is_left=True, guides=guides, marked=(0, 1)
    )
    titled = alt.hconcat(panel, title=panel_title("m", "below"))
    drawing = svg(alt.concat(titled), data)
    assert marked(drawing, "rect") == 6
    assert drawing.count(GUIDE["color"]) == 2
    assert ">layer 7</text>" in drawing
    assert ">below</text>" in drawing


def test_panels_and_pickers_and_layers_are_specifications():
    base = alt.Chart().mark_point().encode(x="layer:Q", y="value:Q")
    chart = panels(alt.layer(base, threshold(0.5), above("name")), "line", 2, list(LOOKS))
    assert chart.to_dict()["facet"]["sort"] == ["first", "second"]
    spec = by_document(base, ["all documents", "one"]).to_dict()
    assert spec["params"][0]["bind"]["options"] == ["all documents", "one"]


def test_a_tooltip_names_fields_titles_and_formats():
    found = [tip.to_dict() for tip in tips("layer:Q", ("mass:Q", "sink mass"), ("n:Q", "", ","))]
    assert [(t["field"], t.get("title"), t.get("format")) for t in found] == [
        ("layer", None, None),
        ("mass", "sink mass", None),
        ("n", None, ","),
    ]
