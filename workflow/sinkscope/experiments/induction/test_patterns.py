"""The patterns of induction heads: which are shown, and what is said of them."""

import polars as pl
import pytest

from induction_heads import BUSY, RESTING, WITHOUT, N, drawn, heads, of_tables, patterns
from sentences import said
from sinkscope.charts.figure import as_svg


def test_patterns_show_the_strongest_head_of_each_model():
    figure = drawn(RESTING, WITHOUT, BUSY)["induction_patterns"]
    svg = as_svg(figure.spec())
    for text in ("a: layer 1, head 2", "b: layer 0, head 3", "c: layer 2, head 3"):
        assert text in svg
    # Only b has none: its strongest head is shown, and said not to be one.
    assert svg.count(">induction score 0.30, not an induction head<") == 1
    # The strongest comes first.
    assert figure.data["model"].unique(maintain_order=True).to_list() == ["a", "c", "b"]


@pytest.mark.parametrize("bos", [0, 1])
def test_sentence_of_patterns_reads_the_diagonal_of_the_next_token(bos):
    table = heads("a", {(1, 2): (0.8, 0.9)})
    figure = of_tables(table, patterns("a", 1, 2, 0.77, 0.91, bos))["induction_patterns"]
    assert said(figure.finding.text) == ["2", "1", "0.77", "0.91"]
    assert f"N = {N} random tokens" in figure.caption


@pytest.mark.parametrize("bos", [0, 1])
def test_lines_stand_on_both_sides_of_the_diagonal(bos):
    table = heads("a", {(1, 2): (0.8, 0.9)})
    figure = of_tables(table, patterns("a", 1, 2, 0.77, 0.91, bos))["induction_patterns"]
    spec = figure.spec()
    (left, right) = spec["concat"][0]["hconcat"]
    sides = left["layer"][1]["data"]["values"]
    assert len(left["layer"]) - len(right["layer"]) == 2
    for end, query in (("", N + bos), ("to_", 2 * N + bos - 2)):
        keys = [side[f"{end}x"] for side in sides]
        assert sum(keys) / 2 == query - N + 1 + 0.5  # the middle of cell i-N+1
        assert {side[f"{end}y"] for side in sides} == {query + 0.5}


def test_at_most_eight_heads_have_patterns():
    many = [heads(f"m{i}", {(1, 1): (0.1 + i / 10, 0.6)}) for i in range(9)]
    figures = drawn(*many)
    figure = figures["induction_patterns"]
    shown = figure.data["model"].unique(maintain_order=True).to_list()
    assert shown == [f"m{i}" for i in range(8, 0, -1)]
    assert "by their score, at most 8" in figure.caption
    assert said(figure.finding.text) == ["8", "0.20", "0.90", "0.90"]
    assert set(figures["induction_scores"].data["model"]) == {f"m{i}" for i in range(9)}


def test_after_the_strongest_of_each_model_come_other_induction_heads():
    """Heads below the threshold are shown only where a model has no better."""
    table = heads("a", {(1, 2): (0.8, 0.9), (2, 0): (0.5, 0.7), (2, 1): (0.3, 0.7)})
    entries = [
        *(
            patterns("a", *at, score, 0.9)
            for at, score in (((1, 2), 0.8), ((2, 0), 0.5), ((2, 1), 0.3))
        ),
        patterns("b", 0, 3, 0.3, 0.9),
    ]
    figure = of_tables(pl.concat([table, WITHOUT]), pl.concat(entries))["induction_patterns"]
    shown = figure.data.select("model", "layer", "head").unique(maintain_order=True).rows()
    assert shown == [("a", 1, 2), ("b", 0, 3), ("a", 2, 0)]
    titles = [part["title"]["text"] for part in figure.spec()["concat"]]
    assert titles == ["a: layer 1, head 2", "b: layer 0, head 3", "a: layer 2, head 0"]
