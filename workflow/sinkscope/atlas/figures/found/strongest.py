"""Models by layers: attention on detected and listed sinks, and the strongest sink's class."""

from typing import Any

import altair as alt
import polars as pl

from sinkscope import means, words
from sinkscope.atlas.figures.compared import in_order, with_titles
from sinkscope.atlas.figures.max_keys import class_colours
from sinkscope.charts.channels import estimated, heat, only, panel_title, rows_axis, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.strips import cell_axis, cell_side, strip
from sinkscope.charts.select import axis_length, documents_in
from sinkscope.findings.finding import Finding
from sinkscope.keys import SPECIAL_CLASSES
from sinkscope.tables.blocks import Blocks
from sinkscope.tables.read import selected

FOUND, LISTED, STRONGEST = "detected sinks", "listed sinks", "class of the strongest sink"
SETS = {"sinks": FOUND, "listed_sinks": LISTED}
BY = ["model", "layer"]
# Found sinks that receive this much more than the listed ones are worth a sentence.
GAP = 0.1
FIRST_AND_SPECIAL = (*SPECIAL_CLASSES, "first")
FINDING = (
    "{% if missed %}"
    "A list of the usual tokens misses strong sinks in {{ n_missed }} of "
    "{{ n_models | counted('model') }}: "
    "{% for row in missed %}{{ loop.index | separator(loop.length) }}"
    "in layer {{ row.layer }} of {{ row.model }} the detected sinks take "
    "{{ row.found | estimate(row.low, row.high) }} of the attention, the listed ones "
    "{{ row.listed | mass }} (strongest besides the first and the special tokens: "
    "{{ row.token | token(row.key_class) }})"
    "{% endfor %}."
    "{% else %}"
    "In {{ n_models | counted('model') }} the detected sinks are the usual tokens: in no layer "
    "do they take {{ gap | mass }} more of the attention than the listed ones."
    "{% endif %}"
)


def figure(tables: Tables) -> Figure | None:
    masses = masses_of(tables)
    if masses.is_empty():  # no text is long enough to be judged
        return None
    titles, sinks = in_order(tables), pl.concat(Blocks(tables, "found_sinks", sinks_in))
    strongest = strongest_of(sinks)
    unlisted = sinks.filter(~pl.col("key_class").is_in(FIRST_AND_SPECIAL))
    both = pl.concat([masses, strongest], how="diagonal").sort("panel_name", *BY)
    drawn = with_titles(both, titles)
    return Figure(
        name="found_sinks_models",
        title="How much attention sinks take, layer by layer",
        finding=Finding(FINDING, missed(masses, strongest_of(unlisted), len(titles))),
        caption=(
            "One row per model, one column per layer (from 0). Top: sink mass of the keys that "
            "the sink rule detects in the layer. Middle: that of the listed tokens (the first "
            "token, the special tokens except the mask, and the first sentence end). Formula: "
            "mean over queries i of the sum over these keys j of M[l,i,j], M the mean over "
            "heads; mean over the documents that are long enough for the sink rule, with its 95 "
            "% bootstrap interval in the tooltip, of "
            f"n = {documents_in(tables['documents'])} per model. Bottom: class of the token with "
            "the largest mass among the sinks of the layer, all documents together; empty where "
            "no key is a sink. Unit: part of 1, linear scale."
        ),
        chart=chart(drawn, list(titles.values())),
        data=drawn,
    )


def masses_of(tables: Tables) -> pl.DataFrame:
    """panel_name, model, layer, and the mass of both sets of sinks with its interval: means over
    the documents that are long enough for the sink rule."""

    def sets(of: Tables) -> pl.DataFrame:
        columns, is_shown = ["document", "key_set", *BY, "mass"], pl.col("key_set").is_in(SETS)
        rows = selected(of, "sink_mass", columns, is_shown)
        judged = rows.filter(pl.col("key_set") == "sinks").drop_nulls("mass")
        return rows.join(judged, on=["document", *BY], how="semi")

    mean = means.over_documents(Blocks(tables, "sink_mass", sets), ["key_set", *BY], ["mass"])
    return mean.with_columns(panel_name=pl.col("key_set").replace_strict(SETS)).drop("key_set")


def sinks_in(tables: Tables) -> pl.DataFrame:
    """model, layer, token, key_class, mass: summed over occurrences and documents."""
    place = [*BY, "token", "key_class"]
    per_sink = selected(tables, "found_sinks", [*place, "mass"], pl.col("is_sink"))
    return per_sink.group_by(place, maintain_order=True).agg(pl.col("mass").sum())


def strongest_of(sinks: pl.DataFrame) -> pl.DataFrame:
    """panel_name, model, layer, token, key_class, mass: the token with the largest mass, summed
    over its occurrences and over documents; ties to the first by name. sinks: as of sinks_in, of
    some documents each."""
    token = ["token", "key_class"]
    sums = sinks.group_by(*BY, *token, maintain_order=True)
    ordered = sums.agg(pl.col("mass").sum()).sort("mass", *token, descending=[True, False, False])
    best = ordered.group_by(BY, maintain_order=True).first()
    return best.with_columns(panel_name=pl.lit(STRONGEST)).drop("mass")


def missed(masses: pl.DataFrame, unlisted: pl.DataFrame, n_models: int) -> dict[str, Any]:
    """Facts: per model with a gap, the layer in which detected sinks exceed listed ones most, and
    its strongest sink except the first and special tokens (unlisted: strongest_of)."""
    ends = {"mass": "found", "mass_low": "low", "mass_high": "high"}
    of_detected, listed = (masses.filter(pl.col("panel_name") == name) for name in (FOUND, LISTED))
    listed = listed.select(*BY, listed="mass")
    wide = of_detected.rename(ends).select(*BY, *ends.values()).join(listed, on=BY)
    gap = pl.col("found") - pl.col("listed")
    ordered = wide.filter(gap >= GAP).sort(gap, *BY, descending=[True, False, False])
    largest = ordered.group_by("model", maintain_order=True).first()
    named = largest.join(unlisted, on=BY, maintain_order="left")
    columns = ("found", "low", "high", "listed", "token", "key_class")
    rows = named.select(*BY, *columns).head(words.FEW)
    return {
        "n_models": n_models, "n_missed": largest.height, "missed": rows.to_dicts(), "gap": GAP
    }  # fmt: skip


def chart(drawn: pl.DataFrame, titles: list[str]) -> alt.VConcatChart:
    """Three strips of the same cells, one below the other."""
    n_layers = axis_length(drawn, "layer")
    side = cell_side(n_layers, 640)
    layers = alt.Scale(domain=list(range(n_layers)))  # of all models, also without a sink
    x = alt.X("layer:O", title=None, axis=cell_axis(labels=False), scale=layers)
    last = alt.X("layer:O", title="layer", axis=cell_axis(), scale=layers)
    y = rows_axis("panel", titles, grid=False)
    mass = tips("model:N", "layer:Q", *estimated("mass", "sink mass"), ("mass_n:Q", "documents"))
    token = tips("model:N", "layer:Q", "token:N", ("key_class:N", "key class"))
    classes = class_colours(drawn.drop_nulls("key_class")["key_class"])
    parts = [
        (FOUND, x, heat("mass", "sink mass (linear)"), mass),
        (LISTED, x, heat("mass", "sink mass (linear)"), mass),
        (STRONGEST, last, classes, token),
    ]
    of_detected, listed, strongest = (
        strip(at, y, color, tooltip, base=only(panel_name=name)).properties(
            width=side * n_layers, height=18 * len(titles), title=panel_title(name)
        )
        for name, at, color, tooltip in parts
    )
    masses = alt.vconcat(of_detected, listed, spacing=16)
    both = alt.vconcat(masses, strongest, spacing=20)
    return both.resolve_scale(color="independent")
