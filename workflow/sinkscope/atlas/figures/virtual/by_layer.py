"""Three ways to discard attention, side by side: tokens that are sinks, virtual keys, gates."""

from typing import Any

import altair as alt
import polars as pl

from sinkscope import means, words
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.lines import mean_panels
from sinkscope.charts.of_documents import behind, with_documents
from sinkscope.charts.palette import LINE_DASHES
from sinkscope.charts.select import documents_in
from sinkscope.findings.finding import Finding
from sinkscope.tables.blocks import Blocks, filtered
from sinkscope.tables.read import queried, selected

LINES = {"found": "tokens that are sinks", "virtual": "virtual key", "gate": "gate"}
COLOURS = ("#009e73", "#d55e00", "#0072b2")
BY = ["model", "layer"]
FINDING = (
    "Besides tokens that are sinks, "
    "{% for row in rows %}{{ loop.index | separator(loop.length) }}"
    "{% if row.what == 'virtual' %}the virtual key of {{ row.model }} takes "
    "{{ row.value | estimate(row.low, row.high) }} of the attention of layer {{ row.layer }}, "
    "where these tokens take {{ row.found | mass }}"
    "{% else %}the gates of layer {{ row.layer }} of {{ row.model }} let "
    "{{ row.value | estimate(row.low, row.high) }} of the heads' outputs through"
    "{% endif %}{% endfor %}."
)


def figure(tables: Tables) -> Figure | None:
    models = [
        *queried(tables, "virtual_sink", lambda rows: rows.select("model").unique())["model"],
        *queried(tables, "gates", lambda rows: rows.select("model").unique())["model"],
    ]
    if not models:
        return None
    rows = Blocks(filtered(tables, pl.col("model").is_in(models)), "sink_mass", of_documents)
    mean = means.over_documents(rows, BY, list(LINES))
    drawn = with_documents(mean, rows, BY, LINES, tables["documents"])
    looks = {
        name: (colour, dash)
        for name, colour, dash in zip(LINES.values(), COLOURS, LINE_DASHES, strict=False)
        if name in set(drawn["line"])
    }
    y = alt.Y("value:Q", title=None).scale(domain=[0, 1]).axis(tickCount=3)
    return Figure(
        name="virtual_sinks",
        title="Sinks among the tokens, virtual keys, and gates",
        finding=Finding(FINDING, {"rows": largest(mean)}),
        caption=(
            "One panel per model with a virtual key or gates; layers count from 0. Tokens that are "
            "sinks: sink mass of the key set sinks. Virtual key: attention on a key that belongs "
            "to no token and has no value (a learned sink; the key of softmax-off-by-one), mean "
            "over heads and queries. Gate: factor on the outputs of the heads, mean over heads and "
            "queries; 0 is closed. Means over n = "
            f"{documents_in(tables['documents'])} per model; "
            f"{behind(drawn, len(rows.documents))}. Unit: part of 1, linear scale."
        ),
        chart=mean_panels(drawn, y, looks),
        data=drawn,
    )


def of_documents(tables: Tables) -> pl.DataFrame:
    """document, model, layer, found (mass of sinks), virtual, gate: head means of the layers with a
    virtual key or a gate; null for what a layer lacks."""
    by = ["document", *BY]
    virtual = tables["virtual_sink"].group_by(by).agg(virtual=pl.col("mass").mean())
    gates = tables["gates"].group_by(by).agg(gate=pl.col("gate").mean())
    of_sinks = selected(tables, "sink_mass", [*by, "mass"], pl.col("key_set") == "sinks")
    of_sinks = of_sinks.rename({"mass": "found"})
    either = virtual.join(gates, on=by, how="full", coalesce=True)
    return either.join(of_sinks, on=by, how="left").sort(by)


def largest(mean: pl.DataFrame) -> list[dict[str, Any]]:
    """Facts: of each model the layer with the largest share of its virtual key, or with the most
    closed gates; the first words.FEW models by name."""
    facts = []
    for name, descending in (("virtual", True), ("gate", False)):
        ordered = mean.drop_nulls(name).sort(
            name, *BY, descending=[descending, False, False], maintain_order=True
        )
        best = ordered.group_by("model", maintain_order=True).first()
        columns = {"value": name, "low": f"{name}_low", "high": f"{name}_high"}
        facts += best.select(*BY, "found", **columns, what=pl.lit(name)).to_dicts()
    return sorted(facts, key=lambda row: (row["model"], row["what"]))[: words.FEW]
