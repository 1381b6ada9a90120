"""The summary: sentences computed from the tables, each with the figure that shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from sinkscope.charts import words
from sinkscope.charts.figure import Tables
from sinkscope.charts.select import with_softmax
from sinkscope.report.site import ShownFigure

# Figures of a model whose findings make its summary, in this order.
IN_SUMMARY = ("max_attention", "sink_mass", "sink_rate", "max_attention_countings")


@dataclass(frozen=True)
class Sentence:
    text: str
    figure: str


def of_model(figures: Sequence[ShownFigure]) -> list[Sentence]:
    by_name = {figure.name: figure for figure in figures}
    return [Sentence(by_name[name].finding, name) for name in IN_SUMMARY if name in by_name]


def headline(tables: Tables) -> str:
    """One sentence over the models whose attention is softmax."""
    histogram = with_softmax(tables)["max_attention_tokens"]
    if histogram.is_empty():
        return "There is no result of a model with softmax yet."
    first = (
        histogram.sort("share", descending=True, maintain_order=True)
        .group_by("model", maintain_order=True)
        .first()
    )
    n_half = first.filter(pl.col("share") > 0.5).height
    low, high = first["share"].to_list()[-1], first["share"].to_list()[0]
    if first.height == 1:
        row = first.row(0, named=True)
        return (
            f"One token, {words.token(row['token'], row['key_class'])}, is the max key of "
            f"{words.percent(row['share'])} of all queries and layers of {row['model']}."
        )
    return (
        f"In {n_half} of {words.counted(first.height, 'model')} a single token is the max key of "
        f"more than half of all queries and layers; over the models, the share of the most "
        f"frequent max key runs from {words.percent(low)} to {words.percent(high)}."
    )
