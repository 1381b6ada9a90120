"""Similarity of the first terminator's residual states across documents."""

from __future__ import annotations

from typing import Any

import polars as pl

from sinkscope import words
from sinkscope.charts.figure import Figure, Tables
from sinkscope.experiments.second_sink import looks
from sinkscope.experiments.second_sink.constants import OWN
from sinkscope.findings.finding import Finding

LINES = {
    (OWN, "convergence"): looks.TERMINATOR,
    (".", "convergence"): "always a full stop",
    (",", "convergence"): looks.COMMA,
}
MOST_ALIKE = (
    "Across documents the first terminator's state is most alike in layer {{ most[0].layer }} of "
    "{{ most[0].model }} (mean cosine {{ most[0].convergence|decimals(3) }})"
    "{% if n_models %}"
    "; in the last layer full stops are more alike than commas in their place in "
    "{{ n_above_comma }} of {{ n_models|counted('model') }}"
    "{% endif %}."
)


def figure(tables: Tables) -> Figure | None:
    layers = tables["second_sink_layers"]
    if not layers["convergence"].count():
        return None
    drawn = looks.lines(layers, LINES)
    n_documents = layers.select(pl.col("n_states").max()).item()
    return Figure(
        name="second_sink_convergence",
        title="How alike the first terminator's state is in all documents",
        finding=Finding(MOST_ALIKE, most_alike(layers)),
        caption=(
            "Formula: mean over all pairs of documents of the cosine of the states of their first "
            f"terminators. {looks.STATE}. Dashed: with the same mark, a full stop or a comma, in "
            f"its place in every document. n = {words.counted(n_documents, 'document')} with a "
            "sentence that ends. Unit: cosine, linear scale. Layers count from 0."
        ),
        chart=looks.cosine_panels(drawn, LINES, "cosine across documents"),
        data=drawn,
    )


def most_alike(layers: pl.DataFrame) -> dict[str, Any]:
    """Facts: the layer with the highest mean cosine, and full stops compared with commas."""
    by = ["model", "layer"]
    known = layers.drop_nulls("convergence").select("mark", *by, "convergence")
    texts, stops, commas = (
        known.filter(pl.col("mark") == mark).drop("mark") for mark in (OWN, ".", ",")
    )
    # In the first layers the states are close to the embedding of one token, hence the last layer.
    last = stops.join(commas, on=by, suffix="_comma").filter(
        pl.col("layer") == pl.col("layer").max().over("model")
    )
    most = texts.sort("convergence", *by, descending=[True, False, False]).head(1)
    return {
        "most": most.to_dicts(),
        "n_models": last.height,
        "n_above_comma": last.filter(pl.col("convergence") > pl.col("convergence_comma")).height,
    }
