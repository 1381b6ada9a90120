"""Similarity of the first terminator's residual states across documents."""

from typing import Any

import polars as pl

from sinkscope import words
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.of_documents import behind, with_points
from sinkscope.experiments.second_sink import looks
from sinkscope.experiments.second_sink.constants import OWN
from sinkscope.findings.finding import Finding

LINES = {
    (OWN, "convergence"): looks.TERMINATOR,
    (".", "convergence"): "always a full stop",
    (",", "convergence"): looks.COMMA,
}
MOST_ALIKE = (
    "Across documents, the first terminator's states are most similar in layer "
    "{{ most[0].layer }} of "
    "{{ most[0].model }} (mean cosine {{ most[0].convergence|"
    "estimate(most[0].convergence_low, most[0].convergence_high, '.3f') }})"
    "."
)


def figure(tables: Tables) -> Figure | None:
    layers = tables["second_sink_layers"]
    if not layers["convergence"].count():
        return None
    drawn = with_documents(layers, tables)
    n_documents = layers.select(pl.col("n_states").max()).item()
    return Figure(
        name="second_sink_convergence",
        title="Similarity of the first terminator's states across documents",
        finding=Finding(MOST_ALIKE, most_alike(layers)),
        caption=(
            "Formula: mean over all pairs of documents of the cosine of the states of their first "
            f"terminators. {looks.STATE}. Dashed: with the same mark, a full stop or a comma, at "
            "its position in every document; these have no interval. "
            f"n = {words.counted(n_documents, 'document')} with a sentence that ends; "
            f"{behind(drawn, n_documents)} (mean cosine of a document to the "
            "others). Unit: cosine, linear scale. Layers count from 0."
        ),
        chart=looks.cosine_panels(drawn, LINES, "cosine across documents"),
        data=drawn,
    )


def with_documents(layers: pl.DataFrame, tables: Tables) -> pl.DataFrame:
    """The lines with their intervals, and as points the mean cosine of each document to all others
    that are compared with it."""
    by = ["model", "layer"]
    ends = {"value_low": "convergence_low", "value_high": "convergence_high"}
    own = layers.filter(pl.col("mark") == OWN).select(*by, **ends, line=pl.lit(looks.TERMINATOR))
    n_states = layers.select(*by, "mark", n_documents="n_states").filter(pl.col("mark") == OWN)
    lines = looks.lines(layers, LINES).join(own, on=[*by, "line"], how="left")
    lines = lines.join(n_states.drop("mark"), on=by, how="left")
    points = (
        tables["second_sink_states"]
        .filter(pl.col("document") != pl.col("other"))
        .group_by(*by, "document")
        .agg(value=pl.col("cosine").mean(), line=pl.lit(looks.TERMINATOR))
        .sort(*by, "document")
    )
    return with_points(lines, points, tables["documents"], own.height)


def most_alike(layers: pl.DataFrame) -> dict[str, Any]:
    """Facts: the layer with the highest mean cosine."""
    by, ends = ["model", "layer"], ["convergence", "convergence_low", "convergence_high"]
    texts = layers.filter(pl.col("mark") == OWN).drop_nulls("convergence").select(*by, *ends)
    return {"most": texts.sort("convergence", *by, descending=[True, False, False])[:1].to_dicts()}
