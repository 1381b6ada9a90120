"""The loss of masks against the fraction of query-key pairs that they keep."""

from typing import Any

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.of_documents import behind
from sinkscope.charts.select import documents_in
from sinkscope.charts.theme import limits
from sinkscope.experiments.masks import panels
from sinkscope.findings.finding import Finding

ENDS = ("", "_low", "_high")
MOST_PAIRS = 0.5  # a sparse mask keeps at most this fraction of the pairs
FINDING = (
    "Among masks that keep at most half of the pairs, the cheapest costs more with random keys "
    "in place of its sinks, beyond the interval, in {{ n_more }} of "
    "{{ n_models|counted('model') }}. "
    f"{{% for row in models[:{words.FEW}] %}}"
    "{{ row.model }}: {{ row.mask }} keeps {{ row.share_of_pairs|percent }} of the pairs and costs "
    "{{ row.loss_change|estimate(row.loss_change_low, row.loss_change_high) }} nats per token, "
    "the control {{ row.control_loss|estimate(row.control_loss_low, row.control_loss_high) }} "
    "more{{ '; ' if not loop.last }}"
    "{% endfor %}"
    f"{{% if n_models > {words.FEW} %}}; {{{{ n_models - {words.FEW} }}}} more below{{% endif %}}."
)


def figure(tables: Tables) -> Figure | None:
    costs = tables["mask_costs"].drop_nulls("loss_change")
    drawn, masks = (
        panels.drawn_costs(costs, tables["masks"], "loss_change"),
        panels.masks_in_order(costs),
    )
    facts = facts_of(costs)
    if drawn.is_empty() or not facts["models"]:
        return None
    # Costs from 0.01 to 10 in one panel, and some a little below 0.
    parts = [drawn[f"loss_change{end}"].cast(pl.Float64) for end in ENDS]
    low, high = limits(pl.concat(parts))
    scale = alt.Scale(type="symlog", constant=0.1, domain=[min(0.0, low), high], nice=False)
    y = alt.Y("loss_change:Q", title="nats per token", scale=scale)
    y = y.axis(values=[0, 0.1, 0.3, 1, 3, 10], format="~g")
    return Figure(
        name="masks_cost",
        title="Loss under masks",
        finding=Finding(FINDING, facts),
        caption=(
            f"{panels.CAPTION}Formula: negative log likelihood per predicted token, minus that of "
            "the dense pass; decoders predict every token except the first, encoders a seeded 15 % "
            "of the ordinary tokens, all masked at once. Sum over the tokens of "
            f"n = {documents_in(tables['masks'])} divided by their number; "
            f"{behind(drawn, tables['masks']['document'].n_unique(), mark='rule')}. Models "
            "without an output head have no likelihood. Units: part of 1, linear scale; nats per "
            "token, linear up to 0.1 and logarithmic beyond."
        ),
        chart=panels.cost_panels(drawn, masks, y, "loss_change"),
        data=drawn,
    )


def facts_of(costs: pl.DataFrame) -> dict[str, Any]:
    """Per model, the cheapest mask with a control among those that keep at most MOST_PAIRS of the
    pairs (or among all, if none does); the largest cost of a control first."""
    rows = costs.drop_nulls("control_loss").with_columns(
        is_dense=pl.col("share_of_pairs") > MOST_PAIRS
    )
    values = [f"{name}{end}" for name in ("loss_change", "control_loss") for end in ENDS]
    models = (
        rows.sort("model", "is_dense", "loss_change", "mask")
        .group_by("model", maintain_order=True)
        .first()
        .sort("control_loss", "model", descending=[True, False])
        .select("model", "mask", "share_of_pairs", *values)
    )
    n_more = models.filter(pl.col("control_loss_low").fill_null(pl.col("control_loss")) > 0).height
    return {"n_models": models.height, "n_more": n_more, "models": models.to_dicts()}
