"""Families that were trained with more than one kind of attention."""

import itertools

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts.figure import Tables
from sinkscope.charts.forms.lines import line_looks
from sinkscope.charts.palette import LINE_DASHES, model_colour
from sinkscope.experiments.emergence import growth


def compared(tables: Tables) -> pl.DataFrame:
    """Rows of growth.by_layer of these families, with the columns `share` (attention to the first
    token as a fraction of the sum of its row) and `kind` (the name of the attention). Softmax comes
    first within its family."""
    log = tables["emergence"].filter(pl.col("window") == growth.WINDOW)
    several = log.filter(pl.col("attention").n_unique().over("family") > 1)
    labels = {name: words.attention_label(name) for name in several["attention"].unique()}
    share = pl.col("first_token") / pl.col("row_sum")
    rows = growth.by_layer(several).with_columns(share=share)
    return by_family(rows.with_columns(kind=pl.col("attention").replace(labels)))


def by_family(rows: pl.DataFrame) -> pl.DataFrame:
    """Sorts by family, softmax first within each."""
    other = pl.col("attention") != "softmax"
    return rows.sort("family", other, "model", "step", "layer")


def best_layers(rows: pl.DataFrame) -> pl.DataFrame:
    """The layer of each trained model that gives the first token most attention."""
    return by_family(growth.strongest(growth.finished(rows), "first_token"))


def model_lines(rows: pl.DataFrame) -> dict[str, alt.Color | alt.StrokeDash]:
    """Colour and dash of every model. rows: frame returned by compared."""
    names = rows["model"].unique(maintain_order=True).to_list()
    dashes = itertools.cycle(LINE_DASHES)
    looks = {name: (model_colour(sorted(names), name), next(dashes)) for name in names}
    return line_looks("model", looks)
