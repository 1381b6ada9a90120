"""What sinks carry: their norms beside those of other tokens, and attention weighted by norms."""

from __future__ import annotations

import altair as alt
import polars as pl

from sinkscope.charts import norms_activations, norms_positions, words
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.palette import CLASS_COLOURS
from sinkscope.charts.panels import Look, layer_panels, long
from sinkscope.charts.select import documents_in
from sinkscope.charts.theme import rounded
from sinkscope.reduce.norms import QUANTITIES as NAMES
from sinkscope.reduce.norms import of_models, of_sets, peaks

STATE = "The state of a layer is the one that enters it, and of which its keys and values are made"
SINKS = {"first_token": "first token", "first_terminator": "first terminator"}
QUANTITIES = dict(zip(NAMES, ("#0072b2", "#cc79a7", "#d55e00"), strict=True))
RATIOS: dict[str, Look] = {
    f"{quantity}, {sink}": (colour, dash)
    for sink, dash in zip(SINKS.values(), ((1, 0), (3, 3)), strict=True)
    for quantity, colour in QUANTITIES.items()
}
MASSES: dict[str, Look] = {
    "attention to the first token": (CLASS_COLOURS["first"], (1, 0)),
    "weighted by the norms of values": ("#d55e00", (6, 3)),
}
SURVIVES = 0.5


def figures(tables: Tables) -> list[Figure]:
    """In the order of the report; none where nothing was measured."""
    if tables["norm_ratios"].is_empty():
        return []
    found = of_models(tables["norm_ratios"])
    masses = of_sets(tables["norm_weighted"])
    shown = tables["norm_ratios"].filter(pl.col("sink").is_in(list(SINKS)))
    n_documents = documents_in(tables["norm_weighted"])
    return [
        ratios(found, masses, documents_in(shown, ["model", "sink"])),
        *norms_positions.figures(tables["norms"], found),
        weighted(masses, n_documents),
        norms_activations.figure(tables["activations"], n_documents),
    ]


def ratios(found: pl.DataFrame, masses: pl.DataFrame, n_documents: str) -> Figure:
    parts = [
        long(
            found.filter(pl.col("sink") == sink),
            {quantity: f"{quantity}, {name}" for quantity in QUANTITIES},
            ["model", "layer"],
        )
        for sink, name in SINKS.items()
    ]
    drawn = rounded(pl.concat(parts).sort("model", "layer", "line"))
    y = alt.Y("value:Q", title="norm, times that of others", scale=alt.Scale(type="log"))
    return Figure(
        name="norms_ratios",
        title="Norms of sinks beside those of other tokens",
        finding=small_values(found, peaks(masses)),
        caption=(
            "Formula: L2 norm of the residual state, the key (mean over heads) and the value of a "
            "token, over the median of all tokens that are no sinks (first token, special tokens, "
            f"first terminator). {STATE}. 1: like any other token. Geometric mean over n = "
            f"{n_documents}. Unit: ratio, logarithmic scale. Layers count from 0."
        ),
        chart=layer_panels(drawn, y.axis(format="~g", tickCount=5), RATIOS),
        data=drawn,
    )


def small_values(found: pl.DataFrame, peak: pl.DataFrame) -> str:
    first = found.filter(pl.col("sink") == "first_token")
    at = first.join(peak.select("model", "layer"), on=["model", "layer"]).drop_nulls("value")
    ordered = at.sort("value", "model")
    row = ordered.row(0, named=True)
    n = ordered.filter(pl.col("value") < 1).height
    big = first.drop_nulls("state").sort("state", "model", "layer").row(-1, named=True)
    return (
        f"Where the first token gets most attention its value is smaller than those of other "
        f"tokens in {n} of {words.counted(ordered.height, 'model')}, smallest in {row['model']} "
        f"(layer {row['layer']}: {row['value']:.2f} {words.TIMES} theirs); its state is largest in "
        f"layer {big['layer']} of {big['model']} ({big['state']:,.1f} {words.TIMES} theirs)."
    )


def weighted(masses: pl.DataFrame, n_documents: str) -> Figure:
    first = masses.filter(pl.col("key_set") == "first_token")
    columns = dict(zip(("mass", "norm_mass"), MASSES, strict=True))
    drawn = rounded(long(first, columns, ["model", "layer"]).sort("model", "layer", "line"))
    y = alt.Y("value:Q", title="part of attention").scale(domain=[0, 1])
    return Figure(
        name="norms_weighted",
        title="Does the sink survive weighting by the norms of values?",
        finding=survives(peaks(masses)),
        caption=(
            "Formula: A[l,h,i,0] (full line), and A[l,h,i,0] norm(v_0) / sum over j of A[l,h,i,j] "
            "norm(v_j) (dashed; Kobayashi et al. 2020, with the value itself), mean over heads "
            f"h, queries i and n = {n_documents}. The first terminator, the special tokens and all "
            "sinks together are in the table norm_weighted. Unit: part of 1, linear scale. Layers "
            "count from 0."
        ),
        chart=layer_panels(drawn, y, MASSES),
        data=drawn,
    )


def survives(peak: pl.DataFrame) -> str:
    """peak: peaks."""
    kept = peak.with_columns(kept=pl.col("norm_mass") / pl.col("mass")).sort("kept", "model")
    n = kept.filter(pl.col("kept") >= SURVIVES).height
    low, high = kept.row(0, named=True), kept.row(-1, named=True)

    def told(row: dict[str, float]) -> str:
        return (
            f"{row['model']} ({words.mass(row['mass'])} becomes {words.mass(row['norm_mass'])} in "
            f"layer {row['layer']})"
        )

    text = (
        f"Where it is strongest, the first token keeps at least half of its attention in {n} of "
        f"{words.counted(kept.height, 'model')} when keys are weighted by the norms of their values"
    )
    if kept.height == 1:
        return f"{text}: {told(low)}."
    return f"{text}; least in {told(low)}, most in {told(high)}."
