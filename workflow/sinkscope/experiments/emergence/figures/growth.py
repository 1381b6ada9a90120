"""When a sink appears: its mass beside the held-out loss during training."""

from typing import Any

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts.channels import only, panel_title, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.palette import model_colour
from sinkscope.charts.theme import limits, one_row, rounded
from sinkscope.charts.tokens_trained import on_log_axis, tokens_axis
from sinkscope.experiments.emergence import growth
from sinkscope.experiments.emergence.growth import APPEARED, MASS, NO_TEXT, TEXTS, UNTRAINED
from sinkscope.findings.finding import Facts, Finding

NO_SINK = "No sink by this measure (a mass of {{ threshold }}) in {{ without | names | listed }}."
SINKS = (
    "{% set at = sinks | phrased('in {model} after ') %}"
    "A sink appears in {{ n_sinks }} of {{ n_models | counted('model') }}"
    "{% if sinks %}: "
    "{{ 'first ' if sinks | length > 1 }}{{ at[0] }}{{ sinks[0].onset | tokens_trained }}"
    "{% if sinks | length > 1 %}, last {{ at[-1] }}{{ sinks[-1].onset | tokens_trained }}"
    "{% endif %}"
    "{% set fallen = sinks | map(attribute='fallen') | spread('.0%') %}"
    "{% if fallen %}; by then held-out loss has made {{ fallen }} of its total drop{% endif %}"
    "{% endif %}."
    "{% if late %} In {{ late | phrased('{model} ({mass:.2f})') | listed }} it appears only at the "
    "last measurement.{% endif %}"
    "{% if without %} {{ without | names | listed }} "
    "{{ 'has' if without | length == 1 else 'have' }} no sink by this measure.{% endif %}"
)


def figure(tables: Tables) -> Figure | None:
    """One panel per model: sink mass of its strongest layer, and the held-out loss below."""
    log = growth.softmax_log(tables["emergence"])
    if log.is_empty():
        return None
    curves = growth.growth(log)
    drawn = rounded(on_log_axis(curves))
    onsets = growth.onsets(curves)
    models = onsets["model"].to_list()
    panels = [panel(drawn, row, model_colour(models, row["model"])) for row in onsets.to_dicts()]
    n_steps = curves.group_by("model").len()["len"].to_list()
    return Figure(
        name="emergence_growth",
        title="Sink mass and held-out loss during training",
        finding=finding(onsets),
        caption=(
            f"Above, the layer of each model that is strongest in the end. Formula: {MASS}. "
            "Below, the held-out loss: of the next token (decoders) or of masked tokens "
            "(encoders), which are not comparable with each other. Dashed: a sink appears, "
            f"the first measurement with a mass of {APPEARED} (thin line) or more. {UNTRAINED} "
            f"{NO_TEXT.format(TEXTS)} n = {words.ranged(n_steps)} measurements per model. "
            "Unit: part of 1; nats per predicted token."
        ),
        chart=alt.concat(*panels, columns=4, spacing=22),
        data=drawn,
    )


def finding(onsets: pl.DataFrame) -> Finding:
    """onsets: frame returned by growth.onsets."""
    reached = onsets.drop_nulls("onset").sort("onset", "model")
    sinks = reached.filter(~pl.col("is_late"))
    facts: Facts = {
        "threshold": APPEARED,
        "n_models": onsets.height,
        "n_sinks": reached.height,
        "sinks": sinks.select("model", "layer", "onset", "fallen").to_dicts(),
        "late": reached.filter("is_late").select("model", "layer", "mass").to_dicts(),
        "without": onsets.filter(pl.col("onset").is_null()).select("model").to_dicts(),
    }
    return Finding(NO_SINK if reached.is_empty() else SINKS, facts)


def panel(drawn: pl.DataFrame, row: dict[str, Any], colour: str) -> alt.VConcatChart:
    """row: the model's row of growth.onsets."""
    onset = row["onset"]
    appears = "no sink" if onset is None else f"sink after {words.tokens_trained(onset)}"
    base = only(model=row["model"]).encode(
        tooltip=tips(
            "model:N",
            ("tokens:Q", "tokens trained", ","),
            "layer:Q",
            ("mass:Q", "sink mass", ".4f"),
            ("loss:Q", "held-out loss", ".4f"),
        )
    )
    rule = base.transform_filter("isValid(datum.onset)").mark_rule(strokeDash=[3, 3], opacity=0.6)
    rule = rule.encode(x="onset:Q")
    line = base.mark_line(color=colour, point={"size": 14, "color": colour})
    mass = alt.Y("mass:Q", title="sink mass", scale=alt.Scale(domain=[0, 1]))
    least = alt.Chart(one_row()).mark_rule(opacity=0.4).encode(y=alt.datum(APPEARED))
    above = line.encode(x=tokens_axis(drawn, labels=False), y=mass.axis(tickCount=3))
    # All panels have the same axis, so that losses can be compared.
    loss = alt.Y("loss:Q", scale=alt.Scale(domain=limits(drawn["loss"]), zero=False))
    below = line.encode(x=tokens_axis(drawn), y=loss.title("loss").axis(tickCount=3))
    return alt.vconcat(
        alt.layer(least, above, rule, width=138, height=100),
        alt.layer(below, rule, width=138, height=80),
        spacing=6,
        title=panel_title(row["model"], f"layer {row['layer']}: {appears}"),
    )
