"""Lines and phrases shared by several figures of the section."""

import math
from collections.abc import Mapping

import altair as alt
import polars as pl

from sinkscope.charts.figure import Tables
from sinkscope.charts.forms.lines import Look, mean_panels
from sinkscope.charts.of_documents import with_documents
from sinkscope.charts.palette import CLASS_COLOURS
from sinkscope.charts.theme import limits
from sinkscope.experiments.second_sink.constants import OWN

MASS = (
    "mean over queries i after both keys (encoders: all other queries) of M[l,i,k], for k = 0 and "
    "for the first token that ends a sentence"
)
STATE = "The state of a layer is the one that enters it"
TERMINATOR, COMMA = "first terminator", "a comma at its position"

LineNames = Mapping[tuple[str, str], str]  # mark and column of second_sink_layers to a line's name

LOOKS: dict[str, Look] = {
    "first token": (CLASS_COLOURS["first"], (1, 0)),
    TERMINATOR: (CLASS_COLOURS["terminator"], (1, 0)),
    "next terminator": (CLASS_COLOURS["cls"], (6, 3)),
    "strongest other token": (CLASS_COLOURS["word"], (8, 3, 2, 3)),
    "always a full stop": (CLASS_COLOURS["cls"], (6, 3)),
    COMMA: (CLASS_COLOURS["punctuation"], (2, 2)),
    "median of all other tokens": (CLASS_COLOURS["word"], (6, 3)),
}


def lines(layers: pl.DataFrame, names: LineNames) -> pl.DataFrame:
    """model, layer, line, value. layers: second_sink_layers."""
    parts = [
        layers.filter(mark=mark).select("model", "layer", line=pl.lit(name), value=column)
        for (mark, column), name in names.items()
    ]
    return pl.concat(parts).drop_nulls("value").sort("model", "layer", "line")


def mean_lines(tables: Tables, names: LineNames) -> pl.DataFrame:
    """The lines with their intervals, and the documents (of_documents.with_documents)."""
    means = tables["second_sink_layers"]
    means = means.with_columns(
        first_token_n="n_documents", second_sink_n="n_documents", ratio_n="n_documents"
    )
    by, parts = ["model", "layer"], []
    for (mark, column), name in names.items():
        chosen = pl.col("is_own") if mark == OWN else pl.col("mark") == mark
        mean, rows = means.filter(mark=mark), tables["second_sink"].filter(chosen)
        parts.append(with_documents(mean, rows, by, {column: name}, tables["documents"]))
    return pl.concat(parts).sort(*by, "line", maintain_order=True)


def of_lines(names: LineNames) -> dict[str, Look]:
    """Colour and dash of each line, in the order of the legend."""
    return {name: LOOKS[name] for name in names.values()}


def cosine_panels(drawn: pl.DataFrame, names: LineNames, title: str) -> alt.FacetChart:
    """Lines of cosines. The axis runs from 0, or from the tenth below the lowest value, to 1."""
    lowest = math.floor(min(0.0, limits(drawn["value"])[0]) * 10) / 10
    y = alt.Y("value:Q", title=title, scale=alt.Scale(domain=[lowest, 1], nice=False))
    return mean_panels(drawn, y, of_lines(names))
