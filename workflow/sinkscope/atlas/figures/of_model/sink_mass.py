"""Sink mass by layer."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.atlas.figures import masses
from sinkscope.atlas.frames import IN_MEANS
from sinkscope.charts import theme
from sinkscope.charts.channels import OF_ONE, by_document, estimated, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.lines import mean_lines
from sinkscope.charts.of_documents import OF_PICKER, behind
from sinkscope.charts.select import (
    axis_length,
    distinct_key_sets,
    drawn_documents,
    rows_where,
    with_lengths,
    with_mean,
)
from sinkscope.findings.finding import Finding
from sinkscope.tables.blocks import Blocks
from sinkscope.tables.read import selected

SHOWN = (*masses.SINGLE, "first_terminator", "listed_sinks", "sinks")
JOINT = ("listed_sinks", "sinks")  # no sentence names these: they hold what others hold
FINDING = (
    "The largest sink mass is that of the {{ key_set | key_set_noun }} in layer {{ layer }}: "
    "{{ mass | estimate(mass_low, mass_high) }} of the attention{{ n_documents | mean_over }}; "
    "uniform attention would give it {{ uniform | mass }}."
)


def figure(tables: Tables, model: str, documents: Sequence[str]) -> Figure:
    key_sets = distinct_key_sets(tables, SHOWN)
    is_shown = pl.col("key_set").is_in(key_sets)
    mean = tables["sink_mass_means"].filter(is_shown)

    def rows(of: Tables) -> pl.DataFrame:
        return rows_where(of, "sink_mass", is_shown & IN_MEANS).drop_nulls("mass")

    blocks = Blocks(tables, "sink_mass", rows)
    n_layers, n_documents = axis_length(mean, "layer"), len(blocks.documents)
    mean = mean.rename({"n_documents": "mass_n", "n_strict": "strict_mass_n"})
    mean = mean.with_columns(uniform_mass_n="mass_n", times_uniform_n="mass_n")
    values = ["mass", "strict_mass", "uniform_mass", "times_uniform"]
    known = theme.known(with_mean(blocks, ["key_set", "layer"], values, documents, mean))
    drawn = with_lengths(theme.rounded(masses.with_labels(known)), tables["documents"])
    # Rows of attention other than softmax may sum to more than 1.
    y = alt.Y("mass:Q", title="sink mass (part of 1)")
    line = mean_lines(
        theme.layer_axis(n_layers),
        y.scale(domain=[0, max(1, theme.limits(drawn["mass"])[1])]),
        {"color": theme.colours("label", "key set", masses.labels_and_colours(key_sets))},
        tips(
            ("label:N", "key set"),
            "layer:Q",
            *estimated("mass"),
            ("mass_n:Q", "documents"),
            ("strict_mass:Q", "strict mass", ".4f"),
            ("uniform_mass:Q", "uniform attention", ".4f"),
            ("times_uniform:Q", "times that", ".2f"),
            *OF_ONE,
        ),
        field="mass",
        width=theme.layer_width(n_layers),
        height=280,
        on_lines=theme.OF_DOCUMENT,
        on_points=theme.BEHIND_MEAN,
    )
    offered = drawn_documents(drawn)
    return Figure(
        name="sink_mass",
        title="Sink mass by layer",
        subject=model,
        finding=Finding(FINDING, with_uniform(largest(known), tables)),
        caption=(
            f"Formula: {masses.FORMULA}. {masses.ALL_SINKS} A line is one document or the mean "
            f"over n = {words.counted(n_documents, 'document')} (those that have keys of the set); "
            f"{behind(drawn, n_documents, OF_PICKER)}. Unit: part of 1, linear scale. "
            "The strict form, in the tooltip and the CSV, leaves out queries that are in the set "
            "and the first query."
        ),
        chart=by_document(line, offered, filtered=False),
        data=drawn,
    )


def with_uniform(facts: dict[str, Any], tables: Tables) -> dict[str, Any]:
    """Adds uniform: the mass of these keys under uniform attention, mean over documents."""
    place = (pl.col("key_set") == facts["key_set"]) & (pl.col("layer") == facts["layer"])
    where = place & IN_MEANS & pl.col("mass").is_not_null()
    own = selected(tables, "sink_mass", ["uniform_mass"], where)
    return {**facts, "uniform": own["uniform_mass"].mean()}


def largest(means: pl.DataFrame) -> dict[str, str | int | float | None]:
    """key_set, layer, mass, its interval and n_documents, of the key set with the largest mean over
    documents; ties to the first."""
    single = ~pl.col("key_set").is_in(JOINT)
    mean = means.filter(pl.col("document") == theme.ALL_DOCUMENTS, single)
    ordered = mean.sort("mass", descending=True, nulls_last=True, maintain_order=True)
    facts = ("key_set", "layer", "mass", "mass_low", "mass_high")
    return ordered.select(*facts, n_documents="mass_n").row(0, named=True)
