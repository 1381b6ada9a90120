"""How strong the sinks of the trained models are."""

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts.channels import by_model_colours, rows_axis, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.bars import bars
from sinkscope.charts.palette import model_colour
from sinkscope.charts.theme import limits, rounded
from sinkscope.experiments.emergence import growth
from sinkscope.findings.finding import Facts, Finding

FINDING = (
    "At {{ window }} tokens {{ threshold }} of the attention or more goes to the sink in "
    "{{ sinks | phrased('{model} (layer {layer})') | listed if sinks else 'no model' }}"
    "{% if sinks and without %}, no sink by this measure in {{ without | names | listed }}"
    "{% endif %}; at {{ long_window }} tokens it is at least {{ times_uniform }} times uniform in "
    "{{ n_above }} of {{ n_measured | counted('model') }}"
    "{% if n_above and below %}, not in {{ below | names | listed }}{% endif %}."
)


def figure(tables: Tables) -> Figure | None:
    """Two bars per model: sink mass, and its ratio to uniform attention."""
    evaluation = growth.softmax_evaluation(tables["attachment"])
    if evaluation.is_empty():
        return None
    targets = growth.targets(evaluation).sort("mass", "model", descending=[True, False])
    drawn = rounded(targets)
    return Figure(
        name="emergence_trained",
        title="Sinks of the trained models",
        finding=finding(drawn),
        caption=(
            "The strongest layer of each trained model, named next to its bar. Formula: "
            f"{growth.MASS}; on the right over {growth.LONG_WINDOW} tokens, divided by the value "
            "under uniform attention over the visible keys. Dashed: "
            f"{growth.APPEARED}, and {growth.TIMES_UNIFORM} times uniform. "
            f"{growth.NO_TEXT.format(growth.EVALUATED_TEXTS)} "
            f"n = {words.counted(drawn.height, 'model')}. Unit: part of 1; ratio."
        ),
        chart=chart(drawn),
        data=drawn,
    )


def finding(targets: pl.DataFrame) -> Finding:
    """Facts: the models with a sink, by mass and by ratio to uniform attention."""
    measured = targets.drop_nulls("times")
    is_above = pl.col("times") >= growth.TIMES_UNIFORM
    has_sink = pl.col("mass") >= growth.APPEARED
    facts: Facts = {
        "window": growth.WINDOW,
        "threshold": growth.APPEARED,
        "sinks": targets.filter(has_sink).select("model", "layer", "mass").to_dicts(),
        "without": targets.filter(~has_sink).select("model").to_dicts(),
        "long_window": growth.LONG_WINDOW,
        "times_uniform": growth.TIMES_UNIFORM,
        "n_measured": measured.height,
        "n_above": measured.filter(is_above).height,
        "below": measured.filter(~is_above).select("model").to_dicts(),
    }
    return Finding(FINDING, facts)


def chart(drawn: pl.DataFrame) -> alt.ConcatChart:
    _, most = limits(drawn["times"])
    panels = [
        panel(drawn, "mass", f"sink mass at {growth.WINDOW} tokens", [1, growth.APPEARED],
              "layer", ".2f"),
        panel(drawn, "times", f"times uniform attention at {growth.LONG_WINDOW} tokens",
              [most, growth.TIMES_UNIFORM], "long_layer", ".1f"),
    ]  # fmt: skip
    return alt.concat(*panels, columns=2)


def panel(
    drawn: pl.DataFrame, field: str, title: str, ends: list[float], layer: str, form: str
) -> alt.LayerChart:
    """Bars with their number and layer. ends: least end of the axis, and x of the dashed line."""
    models = drawn["model"].to_list()
    looks = {name: model_colour(sorted(models), name) for name in models}
    x = alt.X(f"{field}:Q", title=title).scale(domain=[0, max(ends)], nice=False)
    return bars(
        x.axis(tickCount=5),
        rows_axis("model", models, grid=False),
        by_model_colours(looks).legend(None),
        tips(
            "model:N",
            ("layer:Q", f"layer at {growth.WINDOW} tokens"),
            ("mass:Q", "sink mass", ".4f"),
            ("long_layer:Q", f"layer at {growth.LONG_WINDOW} tokens"),
            ("times:Q", "times uniform", ".2f"),
        ),
        width=230,
        height=25 * len(models),
        number=(
            f"isValid(datum.{field}) ? "
            f"format(datum.{field}, '{form}') + ', layer ' + datum.{layer} : ''"
        ),
        at_right=True,
        limit=ends[1],
    )
