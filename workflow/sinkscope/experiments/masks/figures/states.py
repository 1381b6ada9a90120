"""How far masks move the final states, against the fraction of query-key pairs that they keep."""

from typing import Any

import altair as alt
import polars as pl

from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.of_documents import behind
from sinkscope.charts.select import documents_in
from sinkscope.experiments.masks import panels
from sinkscope.findings.finding import Finding

FINDING = (
    "{% for row in masks %}"
    "{% if loop.first %}With random keys in place of the sinks, final states are less similar to "
    "those of dense attention: under {% else %}; under {% endif %}{{ row.mask }} in "
    "{{ row.n_less }} of "
    "{{ row.n_models|counted('model') }}, most in {{ row.most }} (cosine "
    "{{ row.cosine|mass }}, control {{ row.control|mass }})"
    "{% endfor %}."
)


def figure(tables: Tables) -> Figure | None:
    costs = tables["mask_costs"]
    drawn, facts = panels.drawn_costs(costs, tables["masks"], "cosine"), facts_of(costs)
    if drawn.is_empty() or not facts["masks"]:
        return None
    low = min(0.0, float(drawn["cosine"].min()))  # type: ignore[arg-type]
    y = alt.Y("cosine:Q", title="cosine to dense").scale(domain=[low, 1])
    return Figure(
        name="masks_states",
        title="Final states under masks",
        finding=Finding(FINDING, facts),
        caption=(
            f"{panels.CAPTION}Formula: cosine between the final state of a token and that of the "
            "dense pass, mean over tokens and over "
            f"n = {documents_in(tables['masks'])}; "
            f"{behind(drawn, tables['masks']['document'].n_unique(), mark='rule')}. "
            "Units: part of 1; cosine; linear scales."
        ),
        chart=panels.cost_panels(drawn, panels.masks_in_order(costs), y, "cosine"),
        data=drawn,
    )


def facts_of(costs: pl.DataFrame) -> dict[str, Any]:
    """Per mask with a control: the number of models in which the control's states are less similar
    to those of dense attention, beyond the interval, and the model with the lowest similarity."""
    rows = costs.drop_nulls("control_cosine")
    is_less = pl.col("control_cosine_low").fill_null(pl.col("control_cosine")) > 0
    masks = (
        rows.sort("mask", "control_cosine", "model", descending=[False, True, False])
        .group_by("mask", maintain_order=True)
        .agg(
            n_less=is_less.sum(),
            n_models=pl.len(),
            most=pl.col("model").first(),
            cosine=pl.col("cosine").first(),
            control=(pl.col("cosine") - pl.col("control_cosine")).first(),
        )
        .sort("mask")
    )
    return {"masks": masks.to_dicts()}
