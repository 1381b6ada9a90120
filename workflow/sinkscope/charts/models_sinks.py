"""Models side by side: mass and rate of their sinks."""

from __future__ import annotations

import altair as alt
import polars as pl

from sinkscope.charts import words
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.mass import FORMULA as MASS
from sinkscope.charts.mass import labels_and_colours, with_labels
from sinkscope.charts.models import (
    FEW,
    in_order,
    model_colours,
    model_picker,
    panel_axis,
    panel_names,
    panel_title,
    standing_out,
)
from sinkscope.charts.palette import LINE_DASHES
from sinkscope.charts.rate import WHY_WINDOW, mean_rate, n_counted, windows
from sinkscope.charts.select import documents_in
from sinkscope.charts.theme import LINE_LEGEND, colours, data_source, rounded

KEY_SETS = ("first_token", "first_terminator", "sinks")


def sink_mass(tables: Tables) -> Figure:
    """A panel a model, with a layer axis of its own; a line a key set."""
    families = in_order(tables)
    table = tables["sink_mass"].filter(pl.col("key_set").is_in(KEY_SETS))
    mean = table.group_by("model", "key_set", "layer").agg(pl.col("mass").mean())
    drawn = rounded(with_labels(mean.with_columns(panel=panel_names(families))))
    drawn = drawn.sort("model", "key_set", "layer")
    by_label = labels_and_colours([name for name in KEY_SETS if name in set(drawn["key_set"])])
    dashes = [list(dash) for dash in LINE_DASHES[: len(by_label)]]
    line = (
        alt.Chart(width=218, height=130)
        .mark_line(point=alt.OverlayMarkDef(size=14))
        .encode(
            x=alt.X("layer:O", title="layer").axis(
                labelAngle=0, labelOverlap="parity", labelSeparation=6
            ),
            y=alt.Y("mass:Q", title=None).scale(domain=[0, 1]).axis(tickCount=3),
            color=colours("label", "key set", by_label).legend(LINE_LEGEND),
            strokeDash=alt.StrokeDash("label:N", title="key set", legend=LINE_LEGEND).scale(
                domain=list(by_label), range=dashes
            ),
            opacity=standing_out(),
            tooltip=[
                alt.Tooltip("model:N"),
                alt.Tooltip("layer:Q"),
                alt.Tooltip("label:N", title="key set"),
                alt.Tooltip("mass:Q", format=".4f"),
            ],
        )
    )
    panels = [panel_title(name, family) for name, family in families.items()]
    chart = line.facet(
        facet=alt.Facet("panel:N", title=None, sort=panels), columns=3, data=data_source(drawn)
    )
    chart = chart.resolve_scale(x="independent")
    return Figure(
        name="sink_mass_models",
        title="Sink mass by layer",
        finding=largest_masses(drawn.filter(pl.col("key_set") == "first_token")),
        caption=(
            f"A panel a model. Formula: {MASS}; mean over documents. “All sinks” joins the first "
            "token, the special tokens except the mask token, and the end of the first sentence. "
            f"n = {documents_in(tables['documents'])} per model. "
            "Unit: part of 1, linear scale. Layers count from 0."
        ),
        chart=chart.add_params(model_picker(list(families))),
        data=drawn,
    )


def largest_masses(first: pl.DataFrame) -> str:
    """first: the mass of the first token in every layer of every model."""
    ordered = first.sort("mass", "model", "layer", descending=[True, False, False])
    best = ordered.group_by("model", maintain_order=True).first()
    peaks = [
        f"{words.mass(row['mass'])} in layer {row['layer']} of {row['model']}"
        for row in best.iter_rows(named=True)
    ]
    if len(peaks) <= FEW:
        return f"The mass of the first token is largest with {words.listed(peaks)}."
    n_half = best.filter(pl.col("mass") > 0.5).height
    return (
        f"The first token gets more than half of the attention of some layer in {n_half} of "
        f"{words.counted(best.height, 'model')}: at most {peaks[0]}, at least {peaks[-1]}."
    )


def sink_rate(tables: Tables) -> Figure:
    families = in_order(tables)
    names = list(families)
    rates = tables["sink_rate"]
    found = [
        (
            *(name, words.window_text(window), n_counted(of_model, window)),
            mean_rate(of_model, "first_token", window),
        )
        for name in names
        for of_model in [rates.filter(pl.col("model") == name)]
        for window in windows(of_model)
    ]
    columns = ["model", "queries", "n_documents", "rate"]
    drawn = pl.DataFrame(found, schema=columns, orient="row").drop_nulls("rate")
    drawn = rounded(drawn.with_columns(panel=panel_names(families)))
    panels = [words.window_text(window) for window in windows(rates)]
    base = alt.Chart(width=240, height=26 * len(names)).encode(
        x=alt.X("rate:Q", title="sink rate at key 0", axis=alt.Axis(format="%")).scale(
            domain=[0, 1.12], nice=False
        ),
        y=panel_axis(families),
        tooltip=[
            *("model:N", "queries:N"),
            alt.Tooltip("n_documents:Q", title="documents"),
            alt.Tooltip("rate:Q", format=".2%"),
        ],
        opacity=standing_out(),
    )
    bar = base.mark_bar(height={"band": 0.7}).encode(
        color=model_colours(sorted(names)).legend(None)
    )
    text = base.mark_text(align="left", dx=5).encode(text=alt.Text("rate:Q", format=".1%"))
    # The window is what compares; whole documents only where all are shorter.
    leading = drawn.filter(pl.col("queries") == panels[0]).sort("rate", "model")
    low, high = leading.row(0, named=True), leading.row(-1, named=True)
    finding = (
        f"Over {panels[0]}, {words.percent(high['rate'])} of the heads of {high['model']} have "
        "a sink at key 0"
    )
    if low["model"] != high["model"]:
        finding += f", {words.percent(low['rate'])} of those of {low['model']}"
    return Figure(
        name="sink_rate_models",
        title="Sink rate of every model",
        finding=f"{finding}.",
        caption=(
            "Formula: fraction of (document, layer, head) with sink score alpha[l,h,0] > epsilon = "
            f"{rates['epsilon'][0]:g}. {WHY_WINDOW}. n = "
            f"{words.ranged(leading['n_documents'].to_list())} documents per model on the left, "
            "with all layers and heads. Unit: percent."
        ),
        chart=alt.layer(bar, text)
        .facet(
            facet=alt.Facet("queries:N", title=None, sort=panels),
            columns=2,
            data=data_source(drawn),
        )
        .add_params(model_picker(names)),
        data=drawn,
    )
