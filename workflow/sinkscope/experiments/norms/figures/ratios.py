"""Norms of sink tokens relative to those of other tokens, layer by layer."""

from typing import Any

import altair as alt
import polars as pl

from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.lines import Look, mean_panels
from sinkscope.charts.of_documents import behind, with_documents
from sinkscope.charts.select import documents_in, in_most_documents
from sinkscope.experiments.norms.constants import QUANTITIES
from sinkscope.experiments.norms.summary import by_document, of_models, of_sets, peaks, unknown_keys
from sinkscope.findings.finding import Finding

SINKS = {"first_token": "first token", "first_terminator": "first terminator"}
LOOKS: dict[str, Look] = {
    f"{quantity}, {sink}": (colour, dash)
    for sink, dash in zip(SINKS.values(), ((1, 0), (3, 3)), strict=True)
    for quantity, colour in zip(QUANTITIES, ("#0072b2", "#cc79a7", "#d55e00"), strict=True)
}
SMALL_VALUES = (
    "In the layer where the first token gets most attention, its value is smaller than those of "
    "other tokens in most documents of {{ n_smaller }} of {{ n_models|counted('model') }}, "
    "smallest in {{ "
    "smallest[0].model }} (layer {{ smallest[0].layer }}: "
    "{{ smallest[0].value|estimate(smallest[0].value_low, smallest[0].value_high) }} \u00d7 "
    "theirs); its state is largest in layer {{ largest[0].layer }} of {{ largest[0].model }} "
    "({{ largest[0].state|estimate(largest[0].state_low, largest[0].state_high, '.1f') }} \u00d7 "
    "theirs)."
)


def figure(tables: Tables) -> Figure | None:
    ratios = tables["norm_ratios"].filter(pl.col("sink").is_in(list(SINKS)))
    if ratios.is_empty():
        return None
    means, rows = of_models(ratios), by_document(ratios)
    parts = [
        with_documents(
            means.filter(pl.col("sink") == sink),
            rows.filter(pl.col("sink") == sink),
            ["model", "layer"],
            {quantity: f"{quantity}, {name}" for quantity in QUANTITIES},
            tables["documents"],
        )
        for sink, name in SINKS.items()
    ]
    drawn = pl.concat(parts).filter(pl.col("value") > 0)  # the axis is logarithmic
    drawn = drawn.sort("model", "layer", "line", maintain_order=True)
    n_documents = rows["document"].n_unique()
    y = alt.Y("value:Q", title="norm, times that of others", scale=alt.Scale(type="log"))
    return Figure(
        name="norms_ratios",
        title="Norms of sinks relative to other tokens",
        finding=Finding(SMALL_VALUES, small_values(means, rows, tables["norm_weighted"])),
        caption=(
            "Formula: L2 norm of the residual state, the key (mean over heads) and the value of a "
            "token, over the median of all tokens that are not sinks (first token, special tokens, "
            "first terminator). The state of a layer is the one that enters it; the keys and "
            "values of the layer are computed from it. 1: equal to other tokens. Geometric mean "
            "over "
            f"n = {documents_in(ratios, ['model', 'sink'])}; "
            f"{behind(drawn, n_documents)}. Unit: ratio, logarithmic scale. Layers count "
            f"from 0.{unknown_keys(ratios)}"
        ),
        chart=mean_panels(drawn, y.axis(format="~g", tickCount=5), LOOKS),
        data=drawn,
    )


def small_values(means: pl.DataFrame, rows: pl.DataFrame, weighted: pl.DataFrame) -> dict[str, Any]:
    """Facts on the first token: its value where its attention peaks, and its largest state. rows:
    the ratios of every document."""
    first = means.filter(pl.col("sink") == "first_token")
    peak = peaks(of_sets(weighted)).select("model", "layer")
    values = first.join(peak, on=["model", "layer"]).drop_nulls("value").sort("value", "model")
    of_documents = rows.filter(sink="first_token").join(peak, on=["model", "layer"], how="semi")
    states = first.drop_nulls("state").sort("state", "model", "layer")
    return {
        "n_models": values.height,
        "n_smaller": in_most_documents(of_documents, pl.col("value").fill_nan(None) < 1).height,
        "smallest": values.head(1).select("model", "layer", "^value.*$").to_dicts(),
        "largest": states.tail(1).select("model", "layer", "^state.*$").to_dicts(),
    }
