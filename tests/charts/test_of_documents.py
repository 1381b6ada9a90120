"""Means over documents as they are drawn: the documents behind them, and what captions say."""

from itertools import pairwise

import polars as pl
import pytest

from sinkscope import means
from sinkscope.charts.of_documents import (
    MOST_POINTS,
    MOST_ROWS,
    OF_PICKER,
    behind,
    shown_documents,
    with_documents,
)

N = 200


def rows(n=N, layers=2):
    return pl.DataFrame(
        [
            {"model": "m", "document": f"d{i:03}", "layer": layer, "x": i / n, "y": 1.0}
            for i in range(n) for layer in range(layers)
        ]
    )  # fmt: skip


def drawn(n=N):
    frame = rows(n)
    lengths = frame.select("model", "document").unique().with_columns(n_tokens=pl.lit(7))
    by = ["model", "layer"]
    mean = means.over_documents(frame, by, ["x", "y"])
    return with_documents(mean, frame, by, {"x": "first", "y": "second"}, lengths)


@pytest.mark.parametrize(
    ("n_means", "expected"), [(1, MOST_POINTS), (MOST_ROWS // 10, 10), (10 * MOST_ROWS, 1)]
)
def test_of_many_documents_evenly_chosen_ones_are_drawn(n_means, expected):
    names = [f"d{i:03}" for i in range(N)]
    shown = shown_documents(pl.Series(names[::-1]), n_means)
    assert len(shown) == expected
    places = [names.index(name) for name in shown]
    assert places == sorted(set(places))
    if expected > 1:
        assert (places[0], places[-1]) == (0, N - 1)
        steps = [after - before for before, after in pairwise(places)]
        assert max(steps) - min(steps) <= 1


def test_few_documents_are_all_drawn():
    assert shown_documents(pl.Series(["b", "a", "b"]), 3) == ["a", "b"]
    assert shown_documents(pl.Series([], dtype=pl.String), 3) == []


def test_a_mean_over_all_documents_stands_before_those_that_are_drawn():
    frame = drawn()
    mean = frame.filter(document="all documents", line="first")
    assert mean["value"].to_list() == pytest.approx([(N - 1) / 2 / N] * 2)
    assert mean["n_documents"].to_list() == [N, N]
    assert (mean["value_low"] < mean["value"]).all()
    single = frame.filter(pl.col("document") != "all documents")
    assert single.height == 2 * 2 * MOST_POINTS
    assert single["value_low"].null_count() == single.height
    assert set(single["n_tokens"]) == {7}
    assert frame["document"][0] == "all documents"


def test_a_caption_says_which_documents_are_points():
    assert behind(drawn(), N) == (
        "band: 95 % bootstrap interval; points: 40 of 200 documents, evenly chosen by name"
    )
    assert behind(drawn(), N, OF_PICKER).endswith(
        "points: 40 of 200 documents, those of the picker"
    )
    assert behind(drawn(3), 3) == "band: 95 % bootstrap interval; points: the documents"
    assert behind(drawn(1), 1) == "one document has no interval"
