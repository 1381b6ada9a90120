"""The sinks of trained models: how strong they are, and what they attach to."""

from __future__ import annotations

import altair as alt
import polars as pl

from sinkscope.charts import words
from sinkscope.charts.figure import Figure
from sinkscope.charts.models import model_colours
from sinkscope.charts.theme import INK, data_source, limits, one_row, rounded
from sinkscope.reduce import growth
from sinkscope.reduce.growth import (
    APPEARED,
    LONG_WINDOW,
    MOVED,
    NO_SINK,
    OTHER_FIRST,
    PLAIN,
    TIMES_UNIFORM,
    VERDICTS,
    WINDOW,
)

MASS = (
    "sink mass[l] = mean over heads and queries of the attention to the first token and the "
    f"special tokens together, over held-out windows of {WINDOW} tokens"
)
# What was given to the model: label, colour and shape of its mark.
INPUTS = {
    "reference": ("as trained", INK, "circle"),
    PLAIN: ("no special tokens", "#0072b2", "square"),
    OTHER_FIRST: ("another first word", "#009e73", "triangle-up"),
    MOVED: ("special token, moved", "#d55e00", "diamond"),
}
REFERENCE = "datum.input === 'reference'"
PHRASES = {
    "position": "to the first position in {}",
    "token": "to the token in {}",
    "both": "to both in {}",
    "neither": "to neither in {}",
    "no sink": "no sink by this measure in {}",
}


def trained(evaluation: pl.DataFrame) -> Figure:
    """The finished models against two marks: of mass, and of times uniform attention."""
    drawn = rounded(growth.targets(evaluation).sort("mass", "model", descending=[True, False]))
    names = drawn["model"].to_list()
    base = alt.Chart().encode(
        y=alt.Y("model:N", title=None, sort=names, axis=alt.Axis(labelFontSize=12)),
        tooltip=[
            alt.Tooltip("model:N"),
            alt.Tooltip("layer:Q", title=f"layer at {WINDOW} tokens"),
            alt.Tooltip("mass:Q", title="sink mass", format=".4f"),
            alt.Tooltip("long_layer:Q", title=f"layer at {LONG_WINDOW} tokens"),
            alt.Tooltip("times:Q", title="times uniform", format=".2f"),
        ],
    )
    _, most = limits(drawn["times"])
    panels = [
        bars(base, "mass", f"sink mass at {WINDOW} tokens", 1, APPEARED, "layer", ".2f", names),
        bars(base, "times", f"times uniform attention at {LONG_WINDOW} tokens", most,
             TIMES_UNIFORM, "long_layer", ".1f", names),
    ]  # fmt: skip
    return Figure(
        name="emergence_trained",
        title="Sinks of the trained models",
        finding=which_have_one(drawn),
        caption=(
            f"The strongest layer of each trained model, named beside its bar. Formula: {MASS}; "
            f"on the right over {LONG_WINDOW} tokens, divided by what uniform attention over the "
            f"visible keys would give the same tokens. Dashed: {APPEARED}, and {TIMES_UNIFORM} "
            f"times uniform. n = {words.counted(drawn.height, 'model')}. Unit: part of 1; ratio."
        ),
        chart=alt.concat(*panels, columns=2, data=data_source(drawn)),
        data=drawn,
    )


def bars(
    base: alt.Chart, field: str, title: str, most: float, mark: float, layer: str, form: str,
    names: list[str],
) -> alt.LayerChart:  # fmt: skip
    """Bars of `field` with their number and layer; `mark`: where a dashed line stands."""
    x = alt.X(f"{field}:Q", title=title).scale(domain=[0, max(most, mark)], nice=False)
    bar = base.mark_bar(height={"band": 0.66}).encode(
        x=x.axis(tickCount=5),
        color=model_colours(sorted(names)).legend(None),
    )
    label = f"format(datum.{field}, '{form}') + ', layer ' + datum.{layer}"
    text = base.transform_filter(f"isValid(datum.{field})").transform_calculate(label=label)
    text = text.mark_text(align="left", dx=8).encode(x=alt.value("width"), text="label:N")
    rule = alt.Chart(one_row()).mark_rule(strokeDash=[4, 3], opacity=0.8)
    rule = rule.encode(x=alt.datum(mark))
    return alt.LayerChart(layer=[bar, text, rule], width=230, height=25 * len(names))


def which_have_one(drawn: pl.DataFrame) -> str:
    """drawn: growth.targets."""
    above = drawn.filter(pl.col("mass") >= APPEARED)
    named = [f"{row['model']} (layer {row['layer']})" for row in above.iter_rows(named=True)]
    below = drawn.filter(pl.col("mass") < APPEARED)["model"].to_list()
    measured = drawn.drop_nulls("times")
    n_times = measured.filter(pl.col("times") >= TIMES_UNIFORM).height
    short = measured.filter(pl.col("times") < TIMES_UNIFORM)["model"].to_list()
    sentence = f"At {WINDOW} tokens {APPEARED} of the attention or more goes to the sink in "
    sentence += words.listed(named) if named else "no model"
    sentence += f", no sink by this measure in {words.listed(below)}" if below and named else ""
    sentence += f"; at {LONG_WINDOW} tokens it is at least {TIMES_UNIFORM} times uniform in "
    sentence += f"{n_times} of {words.counted(measured.height, 'model')}"
    return f"{sentence}, not in {words.listed(short)}." if short and n_times else f"{sentence}."


def attachment(evaluation: pl.DataFrame) -> Figure:
    found = growth.verdicts(evaluation)
    drawn = rounded(
        found.unpivot(
            list(INPUTS), index=["model", "layer", "verdict"], variable_name="input",
            value_name="mass",
        )
        .drop_nulls("mass")
        .with_columns(
            label=pl.col("input").replace_strict({name: row[0] for name, row in INPUTS.items()}),
            says=pl.format("{} (layer {})", "verdict", "layer"),
        )
    )  # fmt: skip
    order = found.with_columns(
        place=pl.col("verdict").replace_strict({name: i for i, name in enumerate(VERDICTS)})
    ).sort("place", "model")
    chart = marks(drawn, order["model"].to_list()).properties(data=data_source(drawn))
    return Figure(
        name="emergence_attachment",
        title="What the sink attaches to",
        finding=what_it_is(order),
        caption=(
            "Sink mass of each trained model at its strongest layer as trained (the reference; "
            f"layer named at the right), over held-out windows of {WINDOW} tokens, for texts given "
            "in other ways; the upright tick is half of the reference. Rule: position, where at "
            "least half of the reference is left without special tokens; token, where the special "
            "token, moved to the middle, gets at least half of the reference from the queries that "
            "see it. Where no special token stands in front: position, if half is left with "
            "another first word, else token. No sink: a "
            f"reference below {NO_SINK}. n = {words.counted(order.height, 'model')}. "
            "Unit: part of 1, linear scale."
        ),
        chart=chart,
        data=drawn,
    )


def marks(drawn: pl.DataFrame, models: list[str]) -> alt.LayerChart:
    """A row a model, a mark an input; the verdict at the right."""
    labels = [row[0] for row in INPUTS.values() if row[0] in set(drawn["label"])]
    looks = {label: (colour, shape) for label, colour, shape in INPUTS.values()}
    y = alt.Y("model:N", title=None, sort=models)
    y = y.axis(labelFontSize=12, grid=True, tickBand="center")
    x = alt.X("mass:Q", title="sink mass at the strongest layer as trained (part of 1)")
    x = x.scale(domain=[0, 1]).axis(values=[0, 0.2, 0.4, 0.6, 0.8, 1], grid=True)
    mark = (
        alt.Chart()
        .mark_point(filled=True, opacity=0.9)
        .encode(
            x=x,
            y=y,
            # Other inputs often leave the mark where it is: it shows behind theirs.
            size=alt.condition(REFERENCE, alt.value(260), alt.value(60)),
            color=alt.Color("label:N", title=None, legend=alt.Legend(columns=2)).scale(
                domain=labels, range=[looks[label][0] for label in labels]
            ),
            shape=alt.Shape("label:N", title=None, legend=alt.Legend(columns=2)).scale(
                domain=labels, range=[looks[label][1] for label in labels]
            ),
            tooltip=[
                alt.Tooltip("model:N"),
                alt.Tooltip("label:N", title="input"),
                alt.Tooltip("mass:Q", title="sink mass", format=".4f"),
                alt.Tooltip("layer:Q"),
                alt.Tooltip("verdict:N"),
            ],
        )
    )
    half = (
        alt.Chart()
        .transform_filter(REFERENCE)
        .transform_calculate(half="datum.mass / 2")
        .mark_tick(thickness=1.5, height=18, color=INK, opacity=0.6)
        .encode(x="half:Q", y=y)
    )
    text = (
        alt.Chart()
        .transform_filter(REFERENCE)
        .mark_text(align="left", dx=8, fontSize=12)
        .encode(x=alt.value("width"), y=y, text="says:N")
    )
    return alt.LayerChart(layer=[half, mark, text], width=480, height=30 * len(models))


def what_it_is(order: pl.DataFrame) -> str:
    """order: growth.verdicts in the order of verdicts."""
    groups = order.group_by("verdict", maintain_order=True).agg("model")
    phrases = [
        PHRASES[verdict].format(words.listed(models)) for verdict, models in groups.iter_rows()
    ]
    attached = [phrase for phrase in phrases if phrase.startswith("to ")]
    if not attached:
        return f"There is {phrases[0]}."
    return f"The sink attaches {'; '.join(phrases)}."
