"""Matrix entropy with and without key 0, above the norm of key 0's state, layer by layer."""

import math
from typing import Any

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts.channels import DASHED, only, panel_title
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.lines import Look, line_looks, mean_lines, mean_tips
from sinkscope.charts.of_documents import behind, with_documents
from sinkscope.charts.select import documents_in
from sinkscope.charts.theme import known, limits, one_row
from sinkscope.findings.finding import Finding
from sinkscope.means import over_documents

WITH, WITHOUT, NORM = "entropy of all tokens", "entropy without key 0", "norm of key 0"
LOOKS: dict[str, Look] = {
    WITH: ("#0072b2", (1, 0)),
    WITHOUT: ("#cc79a7", (4, 4)),  # the full line shows in the gaps where both are equal
    NORM: ("#d55e00", (1, 0)),  # in a panel of its own
}
ENTROPIES = {"entropy": WITH, "entropy_no_first": WITHOUT}
BY = ["model", "layer"]
LINES = {**ENTROPIES, "norm_ratio": NORM}
VALUES = list(LINES)
COLUMNS, WIDTH = 3, 200

# Key 0 makes a valley where the entropy with it is below this part of the entropy without it. A
# layer whose states fill few directions anyway, with key 0 or without, is no such valley.
VALLEY = 0.5
FINDING = (
    "{% macro with_key(row) %}{{ row.entropy|estimate(row.entropy_low, row.entropy_high) }}"
    "{% endmacro %}"
    "{% macro without(row) %}"
    "{{ row.entropy_no_first|estimate(row.entropy_no_first_low, row.entropy_no_first_high) }}"
    "{% endmacro %}"
    "{% for row in valleys %}"
    "{% if loop.first %}Key 0 makes a compression valley in {{ n_valleys }} of "
    "{{ n_models|counted('model') }}: {% else %}; {% endif %}"
    "in {{ row.n_valley_layers }} of {{ row.n_layers }} layers of {{ row.model }} "
    "({{ row.first_layer }} to {{ row.last_layer }}) the norm of its state is up to "
    "{{ row.norm_ratio|decimals(0) }} times that of other tokens, and all states together span "
    "hardly more than one direction (entropy {{ with_key(row) }} in layer "
    "{{ row.layer }}, a valley in {{ row.k }} of {{ row.n|counted('document') }}); without key 0 "
    "the valley is gone ({{ without(row) }})"
    "{% endfor %}"
    "{% if n_more %}; {{ n_more }} more{% endif %}"
    "{% for row in closest %}"
    "{% if valleys %}. Of the others it lowers entropy most in "
    "{% else %}Key 0 makes no compression valley in {{ n_models|counted('model') }}: it lowers "
    "entropy most in {% endif %}"
    "layer {{ row.layer }} of {{ row.model }} (from {{ without(row) }} to {{ with_key(row) }})"
    "{% endfor %}."
    "{% for row in lowest %} Without key 0 entropy is lowest in layer {{ row.layer }} of "
    "{{ row.model }} ({{ without(row) }}).{% endfor %}"
)


def figure(tables: Tables) -> Figure | None:
    table = tables["matrix_entropy"]
    means = of_models(table)
    rows = known(table).drop_nulls(VALUES)
    facts = facts_of(means, rows)
    if not facts["n_models"]:
        return None
    lines = with_documents(means, rows, BY, LINES, tables["documents"])
    # The norm's axis is logarithmic.
    drawn = lines.filter((pl.col("line") != NORM) | (pl.col("value") > 0))
    n_documents = rows["document"].n_unique()
    return Figure(
        name="depth_entropy",
        title="Compression valleys, and the norm of key 0",
        finding=Finding(FINDING, facts),
        caption=(
            "Above: matrix entropy of the residual states X [token, d] that enter a layer, of all "
            "tokens and of all except key 0. Formula: -sum p log p / log min(number of tokens, "
            "d), p = s^2 / sum s^2, s the singular values of X (Queipo-de-Llano et al. 2025). 1: "
            "equally large in all directions; 0: all states lie on one line. Below: L2 norm of "
            "key 0's state over the median norm of the others (dashed: equal to others). A "
            "valley of key 0: in more than half of the documents, key 0 more than halves the "
            "entropy; if both are low, the cause is another. Mean over "
            f"n = {documents_in(table)} (norm: geometric mean); "
            f"{behind(drawn, n_documents)}. Units: part of the maximum, linear scale; ratio, "
            "logarithmic scale. Layers count from 0."
        ),
        chart=chart(drawn),
        data=drawn,
    )


def of_models(table: pl.DataFrame) -> pl.DataFrame:
    """model, layer, entropy, entropy_no_first, norm_ratio: means over the documents that have all
    three, with their intervals; of the ratio the geometric mean."""
    rows = known(table).drop_nulls(VALUES)
    return over_documents(rows, BY, VALUES, log=["norm_ratio"])


def facts_of(means: pl.DataFrame, rows: pl.DataFrame) -> dict[str, Any]:
    """rows: of single documents; a layer is in a valley if more than half of them show it.

    Facts: of the first models with a valley of key 0 its layers, its lowest one, and the largest
    norm of key 0; of the model without one that is closest to it, the layer where key 0 lowers
    entropy most; and the layer of all models where entropy without key 0 is lowest."""
    part = pl.col("entropy") / pl.col("entropy_no_first")
    counts = rows.group_by(BY).agg(k=(part < VALLEY).sum(), n=pl.len())
    means = means.join(counts, on=BY, how="left")
    means = means.with_columns(part=part, in_valley=pl.col("k") * 2 > pl.col("n"))
    valley = pl.col("layer").filter("in_valley")
    models = means.group_by("model").agg(
        n_layers=pl.len(),
        n_valley_layers=pl.col("in_valley").sum(),
        first_layer=valley.min(),
        last_layer=valley.max(),
        norm_ratio=pl.col("norm_ratio").filter("in_valley").max(),
    )
    values = [*BY, *(f"{name}{end}" for name in ENTROPIES for end in ("", "_low", "_high"))]
    in_order = means.sort("model", ~pl.col("in_valley"), "part", "layer")
    deepest = in_order.group_by("model", maintain_order=True).first()
    valleys = (
        deepest.filter("in_valley").select(*values, "k", "n").join(models, on="model").sort("model")
    )
    others = deepest.filter(~pl.col("in_valley")).sort("part", "model")
    lowest = means.sort("entropy_no_first", *BY).select(values)
    return {
        "n_models": deepest.height,
        "n_valleys": valleys.height,
        "n_more": max(0, valleys.height - words.FEW),
        "valleys": valleys.head(words.FEW).to_dicts(),
        "closest": others.head(1).select(values).to_dicts(),
        "lowest": lowest.head(1).to_dicts(),
    }


def chart(drawn: pl.DataFrame) -> alt.ConcatChart:
    """Two panels per model, one below the other, with the layers along x."""
    low, high = (value or 1.0 for value in limits(drawn.filter(pl.col("line") == NORM)["value"]))
    ticks = decades(low, high)
    domain = [min(low, ticks[0]), max(high, ticks[-1])]
    ratio = alt.Y("value:Q", title="norm", scale=alt.Scale(type="log", domain=domain, nice=False))
    entropy = alt.Y("value:Q", title="entropy", scale=alt.Scale(domain=[0, 1]))
    models = drawn["model"].unique().sort().to_list()
    return alt.concat(
        *(
            alt.vconcat(
                panel(drawn, model, [WITH, WITHOUT], entropy.axis(tickCount=5), height=120),
                panel(drawn, model, [NORM], ratio.axis(values=ticks, format="~g"), height=60),
                spacing=8,
                title=panel_title(model),
            ).resolve_scale(color="shared", strokeDash="shared")
            for model in models
        ),
        columns=COLUMNS,
        spacing=18,
    ).resolve_scale(color="shared", strokeDash="shared")


def panel(
    drawn: pl.DataFrame, model: str, names: list[str], y: alt.Y, *, height: int
) -> alt.LayerChart:
    """Some lines of one model. Only the lower panel, the norm's, has labels along x."""
    is_lower = names == [NORM]
    last = int(drawn.filter(pl.col("model") == model)["layer"].max())  # type: ignore[arg-type]
    axis = alt.Axis(format="d", tickMinStep=1, tickCount=6, labels=is_lower, grid=False)
    x = alt.X("layer:Q", title="layer" if is_lower else None, axis=axis)
    chosen = only(model=model).transform_filter(alt.FieldOneOfPredicate(field="line", oneOf=names))
    line = mean_lines(
        x.scale(domain=[0, max(last, 1)], nice=False, padding=6),
        y,
        line_looks("line", LOOKS),
        mean_tips("value"),
        field="value",
        width=WIDTH,
        height=height,
        start=chosen,
    )
    if not is_lower:
        return line
    # Dashed where the norm of key 0 is that of other tokens.
    others = alt.Chart(one_row()).mark_rule(strokeDash=DASHED, opacity=0.5).encode(y=alt.datum(1))
    return alt.LayerChart(layer=[others, *line.layer], width=WIDTH, height=height)


def decades(low: float, high: float) -> list[float]:
    """Powers of ten for an axis from `low` to `high`; at most five."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    step = max(1, math.ceil((last - first) / 4))
    return [10.0**power for power in range(min(first, 0), max(last, 1) + 1, step)]
