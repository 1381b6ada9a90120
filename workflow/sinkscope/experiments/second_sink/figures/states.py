"""Similarity of the first terminator's residual state to that of the first token."""

import polars as pl

from sinkscope import words
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.of_documents import behind
from sinkscope.experiments.second_sink import looks
from sinkscope.experiments.second_sink.constants import OWN
from sinkscope.findings.finding import Finding

LINES = {
    (OWN, "cosine"): looks.TERMINATOR,
    (",", "cosine"): looks.COMMA,
    (OWN, "cosine_others"): "median of all other tokens",
}
NEAREST = (
    "{% set row = nearest[0] %}"
    "The first terminator's state is most similar to the first token's in layer {{ row.layer }} "
    "of "
    "{{ row.model }}: cosine {{ row.cosine|estimate(row.cosine_low, row.cosine_high, '.3f') }}, "
    "unit-vector distance "
    "{{ row.unit_distance|decimals(2) }}; other tokens there have "
    "{{ row.cosine_others|decimals(3) }}"
    "{% if row.cosine_comma is not none %}"
    ", a comma at its position {{ row.cosine_comma|decimals(3) }}"
    "{% endif %}."
)


def figure(tables: Tables) -> Figure | None:
    layers = tables["second_sink_layers"]
    if layers.is_empty():
        return None
    drawn = looks.mean_lines(tables, LINES)
    n_documents = tables["second_sink"]["document"].n_unique()
    return Figure(
        name="second_sink_states",
        title="Similarity of the first terminator's state to the first token's",
        finding=Finding(NEAREST, {"nearest": nearest(layers).to_dicts()}),
        caption=(
            "Formula: cosine of the residual states of the first terminator and of key 0. "
            f"{looks.STATE}: its queries, keys and values are computed from it. Mean over n = "
            f"{words.ranged(layers['n_states'].to_list())} documents with a sentence that ends; "
            f"{behind(drawn, n_documents)}. "
            "The distance of the two as unit vectors, sqrt(2 - 2 cosine), is in the table "
            "second_sink. Unit: cosine, linear scale. Layers count from 0."
        ),
        chart=looks.cosine_panels(drawn, LINES, "cosine to the first token"),
        data=drawn,
    )


def nearest(layers: pl.DataFrame) -> pl.DataFrame:
    """The layer, of all models, in which the two states are nearest; with the cosine of a comma
    there."""
    by = ["model", "layer"]
    commas = layers.filter(pl.col("mark") == ",").select(*by, cosine_comma="cosine")
    return (
        layers.filter(pl.col("mark") == OWN)
        .drop_nulls("unit_distance")
        .sort("unit_distance", *by)
        .head(1)
        .select(*by, "cosine", "cosine_low", "cosine_high", "unit_distance", "cosine_others")
        .join(commas, on=by, how="left")
    )
