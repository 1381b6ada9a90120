"""Whether the sinks of the trained models attach to the first position or to a special token."""

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts.channels import rows_axis, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.marks import mark_looks, marks
from sinkscope.charts.theme import INK
from sinkscope.experiments.emergence import growth
from sinkscope.findings.finding import Finding

# Input: label, colour and shape of its mark.
INPUTS = {
    "reference": ("as trained", INK, "circle"),
    growth.PLAIN: ("no special tokens", "#0072b2", "square"),
    growth.OTHER_FIRST: ("another first word", "#009e73", "triangle-up"),
    growth.MOVED: ("special token, moved", "#d55e00", "diamond"),
}
REFERENCE = "datum.input === 'reference'"
# Verdict: phrase about its models.
PHRASES = {
    "position": "to the first position in {{ position | names | listed }}",
    "token": "to the token in {{ token | names | listed }}",
    "both": "to both in {{ both | names | listed }}",
    "neither": "to neither in {{ neither | names | listed }}",
    "no sink": "no sink by this measure in {{ no_sink | names | listed }}",
}


def figure(tables: Tables) -> Figure | None:
    """One row per model, one mark per input; the verdict at the right."""
    evaluation = growth.softmax_evaluation(tables["attachment"])
    if evaluation.is_empty():
        return None
    place = pl.col("verdict").replace_strict({name: i for i, name in enumerate(growth.VERDICTS)})
    verdicts = growth.verdicts(evaluation).sort(place, "model")
    drawn = by_input(verdicts.sort("model"))
    return Figure(
        name="emergence_attachment",
        title="What the sink attaches to",
        finding=finding(verdicts),
        caption=(
            "Sink mass of each trained model at its strongest layer as trained (the reference; "
            f"layer named at the right), over held-out windows of {growth.WINDOW} tokens, for "
            "changed inputs; the upright tick is half of the reference. Rule: position, if at "
            "least half of the reference remains without special tokens; token, if the special "
            "token, moved to the middle, gets at least half of the reference from the queries that "
            "see it. For models without a special token in front: position, if half remains with "
            f"another first word, else token. No sink: a reference below {growth.NO_SINK}. "
            f"{growth.NO_TEXT.format(growth.EVALUATED_TEXTS)} "
            f"n = {words.counted(verdicts.height, 'model')}. Unit: part of 1, linear scale."
        ),
        chart=chart(drawn, verdicts["model"].to_list()),
        data=drawn,
    )


def finding(verdicts: pl.DataFrame) -> Finding:
    """verdicts: frame returned by growth.verdicts. One list of facts per verdict."""
    facts = {
        verdict.replace(" ", "_"): verdicts.filter(pl.col("verdict") == verdict)
        .select("model", "layer", *INPUTS)
        .to_dicts()
        for verdict in growth.VERDICTS
    }
    text = "; ".join(
        phrase for verdict, phrase in PHRASES.items() if facts[verdict.replace(" ", "_")]
    )
    has_sink = text.startswith("to ")
    return Finding(f"The sink attaches {text}." if has_sink else f"There is {text}.", facts)


def by_input(verdicts: pl.DataFrame) -> pl.DataFrame:
    """One row per model and input with a value: model, layer, verdict, input, mass, label, says."""
    rows = verdicts.unpivot(
        list(INPUTS),
        index=["model", "layer", "verdict"],
        variable_name="input",
        value_name="mass",
    )
    labels = {name: label for name, (label, _, _) in INPUTS.items()}
    return rows.drop_nulls("mass").with_columns(
        label=pl.col("input").replace_strict(labels),
        says=pl.format("{} (layer {})", "verdict", "layer"),
    )


def chart(drawn: pl.DataFrame, models: list[str]) -> alt.LayerChart:
    all_looks = {label: (colour, shape) for label, colour, shape in INPUTS.values()}
    looks = {label: look for label, look in all_looks.items() if label in set(drawn["label"])}
    y = rows_axis("model", models)
    x = alt.X("mass:Q", title="sink mass at the strongest layer as trained (part of 1)")
    x = x.scale(domain=[0, 1]).axis(values=[0, 0.2, 0.4, 0.6, 0.8, 1], grid=True)
    tooltip = tips(
        "model:N", ("label:N", "input"), ("mass:Q", "sink mass", ".4f"), "layer:Q", "verdict:N"
    )
    # Marks of other inputs often cover the reference, so the reference is drawn larger.
    size = alt.condition(REFERENCE, alt.value(260), alt.value(60))
    mark = marks(x, y, mark_looks("label", looks, columns=2), tooltip).encode(size=size)
    reference = alt.Chart().transform_filter(REFERENCE).encode(y=y)
    half = reference.transform_calculate(half="datum.mass / 2").encode(x="half:Q")
    half = half.mark_tick(thickness=1.5, height=18, color=INK, opacity=0.6)
    text = reference.mark_text(align="left", dx=8, fontSize=12)
    text = text.encode(x=alt.value("width"), text="says:N")
    height = 30 * len(models)
    layers = [half, mark, text]
    return alt.LayerChart(layer=layers, width=480, height=height)
