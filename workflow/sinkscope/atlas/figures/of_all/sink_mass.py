"""The sink mass of every model by layer: one panel per model, one line per key set."""

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.atlas.figures.compared import highlighted, in_order, model_picker, with_titles
from sinkscope.atlas.figures.masses import ALL_SINKS, FORMULA, labels_and_colours, with_labels
from sinkscope.atlas.frames import IN_MEANS
from sinkscope.charts.channels import panels
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.lines import line_looks, mean_lines, mean_tips
from sinkscope.charts.of_documents import behind, with_documents
from sinkscope.charts.palette import LINE_DASHES
from sinkscope.charts.select import documents_in, in_most_documents, rows_where
from sinkscope.charts.theme import ALL_DOCUMENTS
from sinkscope.findings.finding import Finding
from sinkscope.tables.blocks import Blocks
from sinkscope.tables.read import selected

KEY_SETS = ("first_token", "first_terminator", "sinks")
EVEN, EVEN_LOOK = "first token, under uniform attention", ("#c08a00", LINE_DASHES[3])
FINDING = (
    "{% macro place(row) %}{{ row.mass | estimate(row.low, row.high) }} in layer {{ row.layer }} "
    "of {{ row.model }}{% endmacro %}"
    "{% if n_half is not defined %}The mass of the first token is largest with "
    "{% for row in peaks %}{{ loop.index | separator(loop.length) }}{{ place(row) }}{% endfor %}."
    "{% else %}In {{ n_half }} of {{ peaks | length | counted('model') }} the first token gets "
    "more than half of the attention of a layer, in more than half of the documents. Where it gets "
    "most, it gets from {{ place(peaks[-1]) }} to {{ place(peaks[0]) }}.{% endif %}"
)


def figure(tables: Tables) -> Figure:
    titles = in_order(tables)
    is_shown = pl.col("key_set").is_in(KEY_SETS)
    mean = rows_where(tables, "sink_mass_means", is_shown).rename({"n_documents": "mass_n"})

    def rows(of: Tables) -> pl.DataFrame:
        return rows_where(of, "sink_mass", is_shown & IN_MEANS)

    blocks = Blocks(tables, "sink_mass", rows)
    masses = with_documents(
        mean,
        blocks,
        ["model", "key_set", "layer"],
        {"mass": "mass"},
        tables["documents"],
    ).drop("line")
    both = pl.concat([with_labels(masses), even(mean)], how="diagonal_relaxed")
    drawn = with_titles(both, titles)
    colours = labels_and_colours([name for name in KEY_SETS if name in set(drawn["key_set"])])
    looks = dict(zip(colours, zip(colours.values(), LINE_DASHES, strict=False), strict=True))
    looks[EVEN] = EVEN_LOOK
    x, y = alt.X("layer:O", title="layer"), alt.Y("value:Q", title=None)
    line = mean_lines(
        # Ordinal, so that each panel has the layers of its own model.
        x.axis(labelAngle=0, labelOverlap="parity", labelSeparation=6),
        y.scale(domain=[0, 1]).axis(tickCount=3),
        line_looks("label", looks, "key set"),
        mean_tips("value", ("label:N", "key set")),
        field="value",
        width=218,
        height=130,
        opacity=highlighted,
    )
    chart = panels(line, "panel", 3, list(titles.values())).resolve_scale(x="independent")
    return Figure(
        name="sink_mass_models",
        title="Sink mass by layer",
        finding=largest_masses(mean.filter(key_set="first_token"), tables),
        caption=(
            f"One panel per model. Formula: {FORMULA}; mean over the documents that have keys of "
            f"the set. {ALL_SINKS} Uniform attention: every query attends equally to all keys "
            "that it sees; mean over the same documents. "
            f"n = {documents_in(tables['documents'])} per model; "
            f"{behind(drawn, len(blocks.documents))}. "
            "Unit: part of 1, linear scale. Layers count from 0."
        ),
        chart=chart.add_params(model_picker(titles)),
        data=drawn,
    )


def even(mean: pl.DataFrame) -> pl.DataFrame:
    """The line of what uniform attention would give key 0. mean: rows of sink_mass_means."""
    rows = mean.filter(pl.col("key_set") == "first_token").drop_nulls("uniform_mass")
    return rows.select(
        *("model", "layer"),
        label=pl.lit(EVEN),
        document=pl.lit(ALL_DOCUMENTS),
        value="uniform_mass",
        value_low="uniform_mass_low",
        value_high="uniform_mass_high",
        n_documents="mass_n",
    )


def largest_masses(first: pl.DataFrame, tables: Tables) -> Finding:
    """first: the mass of the first token in every layer of every model.

    peaks: the largest of each model, in descending order. n_half: number of models in whose peak
    layer it is above one half in more than half of the documents; if there are few models, each is
    named instead.
    """
    ordered = first.drop_nulls("mass").sort(
        "mass", "model", "layer", descending=[True, False, False]
    )
    best = ordered.group_by("model", maintain_order=True).first()
    peaks = best.select("model", "layer", "mass", low="mass_low", high="mass_high").to_dicts()
    if len(peaks) <= words.FEW:
        return Finding(FINDING, {"peaks": peaks})
    places = [
        (pl.col("model") == row["model"]) & (pl.col("layer") == row["layer"]) for row in peaks
    ]
    where = (pl.col("key_set") == "first_token") & pl.any_horizontal(places)
    at_peak = selected(tables, "sink_mass", ["model", "mass"], where).drop_nulls("mass")
    n_half = in_most_documents(at_peak, pl.col("mass") > 0.5).height
    return Finding(FINDING, {"peaks": peaks, "n_half": n_half})
