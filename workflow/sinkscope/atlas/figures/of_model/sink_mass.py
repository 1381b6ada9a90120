"""Sink mass by layer."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.atlas.figures.masses import (
    ALL_SINKS,
    FORMULA,
    SINGLE,
    labels_and_colours,
    with_labels,
)
from sinkscope.charts.channels import by_document, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.lines import lines
from sinkscope.charts.select import axis_length, distinct_key_sets, drawn_documents, with_mean
from sinkscope.charts.theme import (
    ALL_DOCUMENTS,
    colours,
    data_source,
    known,
    layer_axis,
    layer_width,
    limits,
    rounded,
)
from sinkscope.findings.finding import Finding

SHOWN = (*SINGLE, "first_terminator", "listed_sinks", "sinks")
JOINT = ("listed_sinks", "sinks")  # no sentence names these: they hold what others hold
FINDING = (
    "The largest sink mass is that of the {{ key_set | key_set_noun }} in layer {{ layer }}: "
    "{{ mass | mass }} of the attention{{ n_documents | mean_over }}."
)


def figure(tables: Tables, model: str, documents: Sequence[str]) -> Figure:
    key_sets = distinct_key_sets(tables["sink_mass"], SHOWN)
    rows = tables["sink_mass"].filter(pl.col("key_set").is_in(key_sets))
    n_layers, n_documents = axis_length(rows, "layer"), rows["document"].n_unique()
    masses = known(with_mean(rows, ["key_set", "layer"], ["mass", "strict_mass"], documents))
    drawn = rounded(with_labels(masses))
    # Rows of attention other than softmax may sum to more than 1.
    y = alt.Y("mass:Q", title="sink mass (part of 1)")
    line = lines(
        layer_axis(n_layers),
        y.scale(domain=[0, max(1, limits(drawn["mass"])[1])]),
        {"color": colours("label", "key set", labels_and_colours(key_sets))},
        tips(
            ("label:N", "key set"),
            "layer:Q",
            ("mass:Q", "", ".4f"),
            ("strict_mass:Q", "strict mass", ".4f"),
            "document:N",
        ),
        width=layer_width(n_layers),
        height=280,
    )
    return Figure(
        name="sink_mass",
        title="Sink mass by layer",
        subject=model,
        finding=Finding(FINDING, {**largest(masses), "n_documents": n_documents}),
        caption=(
            f"Formula: {FORMULA}. {ALL_SINKS} A line is one document or the mean "
            f"over n = {words.counted(n_documents, 'document')}. Unit: part of 1, linear scale. "
            "The strict form, in the tooltip and the CSV, leaves out queries that are in the set "
            "and the first query."
        ),
        chart=by_document(line.properties(data=data_source(drawn)), drawn_documents(drawn)),
        data=drawn,
    )


def largest(masses: pl.DataFrame) -> dict[str, str | int | float]:
    """key_set, layer, mass of the key set with the largest mean over documents; ties to the
    first."""
    single = ~pl.col("key_set").is_in(JOINT)
    mean = masses.filter(pl.col("document") == ALL_DOCUMENTS, single)
    ordered = mean.sort("mass", descending=True, nulls_last=True, maintain_order=True)
    return ordered.select("key_set", "layer", "mass").row(0, named=True)
