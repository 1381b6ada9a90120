"""Attention on the first terminator and on the first token, layer by layer."""

from typing import Any

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.lines import mean_panels
from sinkscope.charts.of_documents import behind
from sinkscope.charts.select import in_most_documents
from sinkscope.experiments.second_sink import looks
from sinkscope.experiments.second_sink.constants import OWN
from sinkscope.experiments.second_sink.derive import spans
from sinkscope.findings.finding import Finding

LINES = {
    (OWN, "first_token"): "first token",
    (OWN, "second_sink"): looks.TERMINATOR,
    (OWN, "next_terminator"): "next terminator",
    (OWN, "strongest"): "strongest other token",
    (",", "second_sink"): looks.COMMA,
}
TEXTS = (
    "{% set least = '%g'|format(threshold) %}"
    "{% macro strength(row) %}{{ row.mass|estimate(row.mass_low, row.mass_high) }} "
    "({% if row.ratio is not none %}{{ row.ratio|decimals(2) }} \u00d7 that of the first token; "
    "{% endif %}{{ least }} or more in "
    "{{ row.k }} of {{ row.n|counted('document') }}){% endmacro %}"
    "{% if held %}"
    "The first terminator gets {{ least }} of the attention of later queries in most documents of "
    "{{ n_held }} of {{ n_models|counted('model') }}: "
    "{% for row in held %}{{ loop.index|separator(loop.length) }}in {{ row.model }} from layer "
    "{{ row.born }} to {{ row.ends }}, strongest in layer {{ row.layer }} "
    "with {{ strength(row) }}{% endfor %}"
    "{% if without %}; not in {{ without|names|models_or_number }}{% endif %}."
    "{% else %}"
    "In no layer of "
    "{{ without|names|models_or_number }} does the first terminator get {{ least }} of the "
    "attention of later queries in most documents; it gets most in layer "
    "{% for row in most %}{{ row.layer }} of {{ row.model }}, {{ strength(row) }}{% endfor %}."
    "{% endif %}"
)
EXCHANGED = (
    "{% if exchanged %}"
    " With another mark, that position gets {{ least }} or more in most documents of "
    "{{ n_exchanged|counted('model') }} ("
    "{{ exchanged|phrased('{second_sink:.2f} with “{mark}” in layer {layer} of {model}')|listed }})"
    "{% else %} No other mark at its position gets {{ least }}{% endif %}; with a comma, which "
    "does not end a sentence, in "
    "{{ n_comma|counted('model') if n_comma else 'no model' }}."
)
OTHER = (
    "{% for row in strongest_other %}"
    " A token other than the first gets {{ least }} or more in most documents of {{ n_other }} of "
    "{{ n_models|counted('model') }}, most in layer {{ row.layer }} of {{ row.model }} "
    "({{ row.strongest|mass }}; “{{ row.token }}” in {{ row.count }} of "
    "{{ row.n_documents|counted('document') }})."
    "{% endfor %}"
)


def figure(tables: Tables) -> Figure | None:
    layers = tables["second_sink_layers"].drop_nulls("second_sink")
    if layers.is_empty():
        return None
    texts = layers.filter(pl.col("mark") == OWN)
    drawn = looks.mean_lines(tables, LINES)
    n_documents = tables["second_sink"]["document"].n_unique()
    y = alt.Y("value:Q", title="attention of later queries").scale(domain=[0, 1])
    documents = tables["second_sink"]
    agreed = in_documents(layers, documents)
    facts = where_held(agreed) | exchanged(agreed) | strongest_other(texts, documents)
    return Figure(
        name="second_sink_mass",
        title="The first terminator and the first token",
        finding=Finding(TEXTS + EXCHANGED + OTHER, facts),
        caption=(
            f"Formula: {looks.MASS}; dashed: the same of the next terminator (over queries after "
            "it), of the token other than the first that gets most in a document (over the "
            "queries that see it; only keys that more than half of the queries see), and of the "
            "first terminator's position with a comma there, other tokens unchanged. Mean over "
            f"heads, queries and n = {words.ranged(texts['n_documents'].to_list())} documents; "
            f"{behind(drawn, n_documents)}. Unit: part of 1, linear scale. Layers count from 0."
        ),
        chart=mean_panels(drawn, y, looks.of_lines(LINES)),
        data=drawn,
    )


def in_documents(layers: pl.DataFrame, documents: pl.DataFrame) -> pl.DataFrame:
    """The layers with k and n: in how many of n documents the mass reaches the threshold. A layer
    holds a second sink here if its mean does and most documents do. documents: the table
    second_sink."""
    by = ["model", "mark", "layer"]
    texts = documents.filter("is_own").with_columns(mark=pl.lit(OWN))
    mass = pl.col("second_sink").fill_nan(None)
    reaches = mass >= layers["threshold"][0]
    counts = pl.concat([texts, documents]).group_by(by).agg(k=reaches.sum(), n=mass.count())
    most = pl.col("is_second_sink") & (pl.col("k") * 2 > pl.col("n"))
    rows = layers.join(counts, on=by, how="left", maintain_order="left")
    return rows.with_columns(is_second_sink=most)


def where_held(layers: pl.DataFrame) -> dict[str, Any]:
    """Facts on the texts as they are: the models that hold a second sink, and those that do not.
    layers: returned by in_documents."""
    counts = layers.filter(pl.col("mark") == OWN).select("model", "layer", "k", "n")
    by_model = spans(layers).join(counts, on=["model", "layer"], maintain_order="left")
    holds = pl.col("n_layers") > 0
    held, without = by_model.filter(holds), by_model.filter(~holds)
    strongest = ["model", "layer", "mass", "mass_low", "mass_high", "ratio", "k", "n"]
    return {
        "threshold": layers["threshold"][0],
        "n_models": by_model.height,
        "n_held": held.height,
        "held": held.head(words.FEW).select(*strongest, "born", "ends").to_dicts(),
        "without": without.select("model").to_dicts(),
        "most": by_model.head(1).select(strongest).to_dicts(),
    }


def exchanged(layers: pl.DataFrame) -> dict[str, Any]:
    """Facts on the models in which another mark, in the first terminator's place, reaches the mass
    of a second sink in most documents. A comma ends no sentence: it shows the effect of the
    position alone. layers: returned by in_documents."""
    rows = layers.filter("is_second_sink", pl.col("mark") != OWN)
    ends = (
        rows.filter(pl.col("mark") != ",")
        .select("model", "layer", "mark", "second_sink")
        .sort("second_sink", "model", "mark", "layer", descending=[True, False, False, False])
        .unique("model", keep="first", maintain_order=True)
    )
    return {
        "n_exchanged": ends.height,
        "exchanged": ends.head(words.FEW).to_dicts(),
        "n_comma": rows.filter(pl.col("mark") == ",")["model"].n_unique(),
    }


def strongest_other(texts: pl.DataFrame, documents: pl.DataFrame) -> dict[str, Any]:
    """Facts on the strongest token other than the first, terminator or not. documents: the table
    second_sink, which names the token of each document."""
    above = texts.filter(pl.col("strongest") >= pl.col("threshold")).select("model", "layer")
    reaches = pl.col("strongest").fill_nan(None) >= texts["threshold"][0]
    own = documents.filter("is_own").join(above, on=["model", "layer"], how="semi")
    n_other = in_most_documents(own, reaches, ["model", "layer"])["model"].n_unique()
    known = texts.drop_nulls("strongest").select("model", "layer", "strongest")
    best = known.sort("strongest", "model", "layer", descending=[True, False, False]).head(1)
    tokens = (
        documents.filter("is_own")
        .join(best, on=["model", "layer"])
        .group_by(token="strongest_token")
        .agg(count=pl.len())
        .with_columns(n_documents=pl.col("count").sum())
        .sort("count", "token", descending=[True, False])
    )
    return {
        "n_other": n_other,
        "strongest_other": best.join(tokens.head(1), how="cross").to_dicts(),
    }
