"""When sinks appear in training: growth beside loss, and layer by layer."""

from __future__ import annotations

import altair as alt
import polars as pl

from sinkscope.charts import trained, words
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.palette import HEAT_STOPS, model_colour
from sinkscope.charts.theme import data_source, limits, one_row, rounded
from sinkscope.charts.trained import MASS
from sinkscope.reduce import growth
from sinkscope.reduce.growth import APPEARED, WINDOW

UNTRAINED = "The leftmost point is the model before training; the axis is logarithmic."


def figures(tables: Tables) -> list[Figure]:
    """In the order of the report; none where no model with softmax was recorded."""
    softmax = pl.col("attention") == "softmax"
    log = tables["emergence"].filter(softmax, pl.col("window") == WINDOW)
    evaluation = tables["attachment"].filter(softmax)
    found = [] if log.is_empty() else [sinks_and_loss(log), layers(log)]
    if not evaluation.filter(pl.col("window") == WINDOW).is_empty():
        found += [trained.trained(evaluation), trained.attachment(evaluation)]
    return found


def on_log_axis(frame: pl.DataFrame) -> pl.DataFrame:
    """A column `at`: tokens trained, and for the untrained model a place left of the others."""
    least, _ = limits(frame.filter(pl.col("tokens") > 0)["tokens"])
    tokens = pl.col("tokens").cast(pl.Float64)
    return frame.with_columns(at=pl.when(tokens > 0).then(tokens).otherwise(max(least, 2) / 2))


def tokens_axis(frame: pl.DataFrame, shown: bool = True) -> alt.X:
    scale = alt.Scale(type="log", domain=limits(frame["at"]), nice=False)
    axis = decades(frame["at"], shown)
    return alt.X("at:Q", title="tokens trained" if shown else None, scale=scale, axis=axis)


def decades(at: pl.Series, shown: bool = True) -> alt.Axis:
    """Ticks at powers of ten."""
    low, high = limits(at)
    ticks = [10**power for power in range(3, 13) if low <= 10**power <= high]
    return alt.Axis(values=ticks, format="~s", grid=False, labels=shown)


def sinks_and_loss(log: pl.DataFrame) -> Figure:
    """A panel a model: sink mass of its strongest layer, and the held-out loss below."""
    grown = growth.growth(log)
    drawn = rounded(on_log_axis(grown))
    appeared = growth.onsets(grown)
    names = appeared["model"].to_list()
    loss = limits(drawn["loss"])
    panels = [panel(drawn, row, model_colour(names, row["model"]), loss) for row in
              appeared.iter_rows(named=True)]  # fmt: skip
    return Figure(
        name="emergence_growth",
        title="Sink mass and held-out loss during training",
        finding=when_they_appear(appeared),
        caption=(
            f"Above, the layer of each model that is strongest in the end. Formula: {MASS}. "
            "Below, the held-out loss: of the next token (decoders) or of masked tokens "
            "(encoders), which are not to be compared with each other. Dashed: a sink appears, "
            f"the first measurement with a mass of {APPEARED} (thin line) or more. {UNTRAINED} "
            f"n = {words.ranged(grown.group_by('model').len()['len'].to_list())} measurements a "
            "model. "
            "Unit: part of 1; nats a predicted token."
        ),
        chart=alt.concat(*panels, columns=4, data=data_source(drawn), spacing=22),
        data=drawn,
    )


def panel(
    drawn: pl.DataFrame, row: dict[str, object], colour: str, loss: list[float]
) -> alt.VConcatChart:
    onset = row["onset"]
    appears = "no sink" if onset is None else f"sink after {words.tokens_trained(int(onset))}"  # type: ignore[call-overload]
    title = alt.TitleParams(
        str(row["model"]), subtitle=f"layer {row['layer']}: {appears}", fontSize=11, offset=6,
        subtitleFontSize=10, subtitleColor="currentColor",
    )  # fmt: skip
    tooltip = [
        alt.Tooltip("model:N"),
        alt.Tooltip("tokens:Q", title="tokens trained", format=","),
        alt.Tooltip("layer:Q"),
        alt.Tooltip("mass:Q", title="sink mass", format=".4f"),
        alt.Tooltip("loss:Q", title="held-out loss", format=".4f"),
    ]
    base = alt.Chart().encode(tooltip=tooltip)
    rule = base.mark_rule(strokeDash=[3, 3], opacity=0.6).encode(x="onset:Q")
    rule = rule.transform_filter("isValid(datum.onset)")
    threshold = alt.Chart(one_row()).mark_rule(opacity=0.4).encode(y=alt.datum(APPEARED))
    y_mass = alt.Y("mass:Q", title="sink mass", scale=alt.Scale(domain=[0, 1]))
    y_loss = alt.Y("loss:Q", title="loss", scale=alt.Scale(domain=loss, zero=False))
    layered = []
    for y, height, last in ((y_mass, 100, False), (y_loss, 80, True)):
        line = base.mark_line(color=colour, point={"size": 14, "color": colour})
        line = line.encode(x=tokens_axis(drawn, shown=last), y=y.axis(tickCount=3))
        marks = [line, rule] if last else [threshold, line, rule]
        layered.append(alt.layer(*marks, width=138, height=height))
    own = alt.FieldEqualPredicate(field="model", equal=str(row["model"]))
    return alt.vconcat(*layered, spacing=6, title=title).transform_filter(own)


def when_they_appear(appeared: pl.DataFrame) -> str:
    """appeared: growth.onsets."""
    there = appeared.drop_nulls("onset").sort("onset", "model")
    without = appeared.filter(pl.col("onset").is_null())["model"].to_list()
    n_models = words.counted(appeared.height, "model")
    if there.is_empty():
        return f"No sink by this measure (a mass of {APPEARED}) in {words.listed(without)}."
    first, last = there.row(0, named=True), there.row(-1, named=True)
    sentence = f"A sink appears in {there.height} of {n_models}: "
    sentence += f"in {first['model']} after {words.tokens_trained(first['onset'])}"
    if there.height > 1:
        sentence = f"{sentence.replace(': in ', ': first in ')}, last in {last['model']} after "
        sentence += words.tokens_trained(last["onset"])
    done = there["fallen"].drop_nulls().sort()
    if len(done):
        low, high = f"{done[0]:.0%}", f"{done[-1]:.0%}"
        part = low if low == high else f"{low} to {high}"
        sentence += f"; by then held-out loss has made {part} of its way down"
    if without:
        sentence += f"; no sink by this measure in {words.listed(without)}"
    return f"{sentence}."


def layers(log: pl.DataFrame) -> Figure:
    """A strip a model: layers along y, training along x, sink mass as colour."""
    rows = on_log_axis(growth.by_layer(log)).select(
        "model", "layer", "step", "tokens", "at", mass="first_and_special"
    )
    at = pl.col("at").log()
    before = at.shift(1).over("model", "layer", order_by="step")
    after = at.shift(-1).over("model", "layer", order_by="step")
    # A measurement fills the axis half-way to its neighbours.
    drawn = rounded(
        rows.with_columns(
            start=((at + before.fill_null(at)) / 2).exp(),
            stop=((at + after.fill_null(at)) / 2).exp(),
        ).sort("model", "layer", "step")
    )
    x = alt.X("start:Q", title="tokens trained")
    x = x.scale(type="log", domain=limits(drawn["start"].append(drawn["stop"])), nice=False)
    strip = (
        alt.Chart(width=138, height=alt.Step(13))
        .mark_rect()
        .encode(
            x=x.axis(decades(drawn["start"])),
            x2="stop:Q",
            y=alt.Y("layer:O", title="layer", axis=alt.Axis(ticks=False, domain=False)),
            color=alt.Color(
                "mass:Q",
                scale=alt.Scale(domain=[0, 1], range=list(HEAT_STOPS), interpolate="rgb"),
                title="sink mass (linear)",
                legend=alt.Legend(gradientLength=200, values=[0, 0.5, 1], format=".1f"),
            ),
            tooltip=[
                alt.Tooltip("model:N"),
                alt.Tooltip("layer:O"),
                alt.Tooltip("tokens:Q", title="tokens trained", format=","),
                alt.Tooltip("mass:Q", title="sink mass", format=".4f"),
            ],
        )
    )
    chart = strip.facet(facet=alt.Facet("model:N", title=None), columns=4, data=data_source(drawn))
    chart = chart.resolve_scale(y="independent").resolve_axis(x="independent")
    return Figure(
        name="emergence_layers",
        title="Which layers grow the sink",
        finding=where_they_grow(growth.finished(growth.by_layer(log))),
        caption=(
            f"Layers in rows, training from left to right. Formula: {MASS}. {UNTRAINED} "
            f"n = {words.ranged(growth.finished(log).group_by('model').len()['len'].to_list())} "
            "heads a model. Unit: part of 1, linear scale. Layers count from 0."
        ),
        chart=chart,
        data=drawn,
    )


def where_they_grow(last: pl.DataFrame) -> str:
    """last: growth.by_layer of the finished models."""
    mass = pl.col("first_and_special")
    n_above = last.filter(mass >= APPEARED).height
    zero = last.filter(pl.col("layer") == 0)
    n_zero = zero.filter(mass >= APPEARED).height
    top = growth.strongest(last).sort("first_and_special", descending=True).row(0, named=True)
    return (
        f"In the end {n_above} of {words.counted(last.height, 'layer')} give {APPEARED} of their "
        f"attention or more, layer 0 in {n_zero} of {words.counted(zero.height, 'model')}; the "
        f"strongest is layer {top['layer']} of {top['model']} with "
        f"{words.mass(top['first_and_special'])}."
    )
