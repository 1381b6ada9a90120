"""The sink rate of every model, over the first tokens of documents and over whole documents."""

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.atlas.figures import compared
from sinkscope.atlas.figures.rates import WHY_WINDOW, at_key_zero, of_key_zero, windows
from sinkscope.charts.channels import N_DOCUMENTS, by_model_colours, estimated, panels, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.bars import bars, document_points
from sinkscope.charts.forms.lines import IS_MEAN, POINT
from sinkscope.charts.of_documents import with_points
from sinkscope.charts.palette import SHARED, model_colours, share_colours
from sinkscope.charts.select import architectures
from sinkscope.findings.finding import Finding

FINDING = (
    "{% macro rate(row) %}{{ row.rate | percent_estimate(row.low, row.high) }}{% endmacro %}"
    "Over {{ window | window_text }}, {{ rate(rates[0]) }} of the heads of "
    "{{ rates[0].model }} have a sink at key 0"
    "{% if rates | length > 1 %}, {{ rate(rates[-1]) }} of those of {{ rates[-1].model }}"
    "{% endif %}."
)


def figure(tables: Tables) -> Figure:
    titles, rates = compared.in_order(tables), tables["sink_rate"]
    kinds = architectures(tables)
    of_models = by_model(tables, list(titles))
    points = of_documents(at_key_zero(tables))
    drawn = compared.with_titles(with_points(of_models, points), titles)
    order = [words.window_text(window) for window in windows(rates)]
    x = alt.X("rate:Q", title="sink rate at key 0", axis=alt.Axis(format="%"))
    x, y = x.scale(domain=[0, 1]), compared.titles_axis(titles)
    bar = bars(
        x,
        y,
        by_model_colours(model_colours(kinds)).legend(None),
        tips("model:N", "queries:N", N_DOCUMENTS, *estimated("rate", form=".2%", ends="")),
        width=240,
        height=26 * len(titles),
        number="format(datum.rate, '.1%')",
        at_right=True,  # the points would cross it
        interval=("low", "high"),
        base=alt.Chart().transform_filter(IS_MEAN),
        opacity=compared.highlighted(),
    )
    tooltip = tips("model:N", "queries:N", "document:N", ("rate:Q", "", ".2%"))
    point = document_points(x, y, tooltip, opacity=compared.highlighted(2 * POINT))
    bar = alt.LayerChart(layer=[*bar.layer, point], width=bar.width, height=bar.height)
    # The finding compares the window; whole documents only if all are shorter.
    leading = of_models.filter(pl.col("queries") == order[0])
    leading = leading.sort("rate", "model", descending=True)
    facts = {
        "window": windows(rates)[0],
        "rates": leading.select("model", "rate", "low", "high", "n_documents").to_dicts(),
    }
    return Figure(
        name="sink_rate_models",
        title="Sink rate of every model",
        finding=Finding(FINDING, facts),
        caption=(
            "Formula: fraction of (document, layer, head) with sink score alpha[l,h,0] > epsilon = "
            f"{rates['epsilon'][0]:g}. {WHY_WINDOW}. n = "
            f"{words.ranged(leading['n_documents'].to_list())} documents per model on the left, "
            "with all layers and heads; rule: 95 % bootstrap interval over documents; points: "
            f"documents. {SHARED if share_colours(kinds) else ''}Unit: percent."
        ),
        chart=panels(bar, "queries", 2, order).add_params(compared.model_picker(titles)),
        data=drawn,
    )


def of_documents(scored: pl.DataFrame) -> pl.DataFrame:
    """model, queries, document, rate of single documents over all layers and heads. scored: of
    at_key_zero."""
    by, rate = ["model", "window", "document"], pl.col("n_above") / pl.col("n_heads")
    return with_queries(scored.select(*by, rate=rate).sort(by)).drop("window")


def with_queries(rates: pl.DataFrame) -> pl.DataFrame:
    """Adds a column `queries`: the name of the window."""
    texts = [words.window_text(window) for window in rates["window"]]
    return rates.with_columns(pl.Series("queries", texts, dtype=pl.String))


def by_model(tables: Tables, models: list[str]) -> pl.DataFrame:
    """model, queries (over which tokens), n_documents, rate over all layers and heads, low, high;
    models in this order."""
    rates = of_key_zero(tables)
    place = pl.col("model").replace_strict(models, range(len(models)))
    return (
        with_queries(rates)
        .sort(place, "window", nulls_last=True)
        .select("model", "queries", "n_documents", "rate", "low", "high")
    )
