"""The sink rate of every model, over the first tokens of documents and over whole documents."""

from __future__ import annotations

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.atlas.figures.compared import (
    highlighted,
    in_order,
    model_picker,
    titles_axis,
    with_titles,
)
from sinkscope.atlas.figures.rates import WHY_WINDOW, mean_rate, n_counted, windows
from sinkscope.charts.channels import model_colours, panels, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.bars import bars
from sinkscope.charts.theme import rounded
from sinkscope.findings.finding import Finding

FINDING = (
    "Over {{ window | window_text }}, {{ rates[0].rate | percent }} of the heads of "
    "{{ rates[0].model }} have a sink at key 0"
    "{% if rates | length > 1 %}, {{ rates[-1].rate | percent }} of those of {{ rates[-1].model }}"
    "{% endif %}."
)


def figure(tables: Tables) -> Figure:
    titles, rates = in_order(tables), tables["sink_rate"]
    of_models = by_model(rates, list(titles))
    drawn = rounded(with_titles(of_models, titles))
    order = [words.window_text(window) for window in windows(rates)]
    x = alt.X("rate:Q", title="sink rate at key 0", axis=alt.Axis(format="%"))
    bar = bars(
        x.scale(domain=[0, 1.12], nice=False),
        titles_axis(titles),
        model_colours(sorted(titles)).legend(None),
        tips("model:N", "queries:N", ("n_documents:Q", "documents"), ("rate:Q", "", ".2%")),
        width=240,
        height=26 * len(titles),
        number="format(datum.rate, '.1%')",
        opacity=highlighted(),
    )
    # The finding compares the window; whole documents only if all are shorter.
    leading = of_models.filter(pl.col("queries") == order[0])
    leading = leading.sort("rate", "model", descending=True)
    facts = {
        "window": windows(rates)[0],
        "rates": leading.select("model", "rate", "n_documents").to_dicts(),
    }
    return Figure(
        name="sink_rate_models",
        title="Sink rate of every model",
        finding=Finding(FINDING, facts),
        caption=(
            "Formula: fraction of (document, layer, head) with sink score alpha[l,h,0] > epsilon = "
            f"{rates['epsilon'][0]:g}. {WHY_WINDOW}. n = "
            f"{words.ranged(leading['n_documents'].to_list())} documents per model on the left, "
            "with all layers and heads. Unit: percent."
        ),
        chart=panels(bar, drawn, "queries", 2, order).add_params(model_picker(titles)),
        data=drawn,
    )


def by_model(rates: pl.DataFrame, models: list[str]) -> pl.DataFrame:
    """model, queries (over which tokens), n_documents, rate over all layers and heads."""
    rows = [
        (model, words.window_text(window), n_counted(model_rates, window), rate)
        for model in models
        for model_rates in [rates.filter(pl.col("model") == model)]
        for window in windows(model_rates)
        if (rate := mean_rate(model_rates, "first_token", window)) is not None
    ]
    return pl.DataFrame(rows, schema=["model", "queries", "n_documents", "rate"], orient="row")
