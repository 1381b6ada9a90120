"""Every head of the models with sinks, by role, with the change of its output without the sink."""

from typing import Any

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts.channels import estimated, only, panel_title, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.strips import cell_axis
from sinkscope.charts.select import axis_length, documents_in
from sinkscope.charts.theme import colours
from sinkscope.experiments.head_roles.constants import BROADCAST, MIXED, NO_OP, NONE
from sinkscope.findings.finding import Finding

COLOURS = {
    NO_OP: "#0072b2",
    BROADCAST: "#d55e00",
    MIXED: "#c08a00",
    NONE: "rgba(138, 143, 152, 0.35)",
}
LETTERS = {NO_OP: "n", BROADCAST: "b", MIXED: "m"}
# Means of a head, as its tooltip names them.
NUMBERS = {
    "share_of_queries": "queries that give half",
    "value_ratio": "norm over median",
    "stable_rank": "stable rank",
    "sink_zero": "value 0",
    "sink_remove": "removed",
}
WIDEST, CELL = 330, 15  # pixels of a panel, and of a cell at most
LEAST, ALL_OF_IT = 0.01, 10.0  # ends of the scale of changes

FINDING = (
    "{{ n_sinks }} of {{ n_heads }} heads of {{ n_models|counted('model') }} have a sink in at "
    "least half of the documents: {{ n_no_op }} are no-ops (the sink sends almost nothing), "
    "{{ n_broadcast }} broadcasts (it sends the same to all queries), {{ n_mixed }} mixed"
    "{% for row in models %}"
    "{{ '. As a share of its heads, most are in ' if loop.first else '; ' }}{{ row.model }} "
    "({{ row.no_op }} no-op, {{ row.broadcast }} broadcast, {{ row.mixed }} mixed of "
    "{{ row.n_heads }})"
    "{% endfor %}."
)


def figure(tables: Tables) -> Figure | None:
    heads = tables["head_roles"]
    if heads.is_empty():
        return None
    counts = counts_of(heads)
    models = counts.filter(pl.col("n_sinks") > 0)["model"].sort().to_list()
    columns = ["model", "layer", "head", "role", "n_events", "n_documents", "key_class"]
    numbers = [f"{name}{end}" for name in NUMBERS for end in ("", "_low", "_high")]
    drawn = heads.select(*columns, *numbers).filter(pl.col("model").is_in(models))
    absent = sorted(set(heads["model"]) - set(models))
    if drawn.is_empty():  # no head has a sink: all of them, grey
        drawn, models, absent = heads.select(*columns, *numbers), absent, []
    return Figure(
        name="head_roles",
        title="Roles of the sinks of heads",
        finding=Finding(FINDING, facts_of(counts)),
        caption=(
            "First panel: the role of each head. It has a sink if at least 0.9 of the queries give "
            "one key at least half of their attention; the sink is a no-op (n) if the norm of W_O "
            "v is at most 0.2 of the median of the other keys, a broadcast (b) if it is at least "
            "0.5 and the outputs' stable rank at most 1.5, else mixed (m) (Fesser et al. 2026). "
            "Second panel: change of the head's outputs if its strongest key, a sink or not, is "
            "removed and the other keys share its attention, as a part of their norm, logarithmic "
            f"scale from {LEAST} to {ALL_OF_IT:.0f}. Commonest role, and mean, over "
            f"n = {documents_in(tables['head_roles_documents'])}, with its 95 % bootstrap interval "
            "in the tooltip; single documents are in the table head_roles_documents."
            f"{' No head with a sink: ' + words.listed(absent) + '.' if absent else ''} "
            "Outputs are taken after gates; a model that normalises its heads' outputs is left "
            "out. Layers and heads count from 0."
        ),
        chart=chart(drawn, models),
        data=drawn,
    )


def counts_of(heads: pl.DataFrame) -> pl.DataFrame:
    """One row per model, those with most sinks first."""
    role = pl.col("role")
    return (
        heads.group_by("model")
        .agg(
            n_heads=pl.len(),
            n_sinks=(role != NONE).sum(),
            no_op=(role == NO_OP).sum(),
            broadcast=(role == BROADCAST).sum(),
            mixed=(role == MIXED).sum(),
        )
        .sort(pl.col("n_sinks") / pl.col("n_heads"), "model", descending=[True, False])
    )


def facts_of(counts: pl.DataFrame) -> dict[str, Any]:
    total = counts.select(pl.col("n_heads", "n_sinks", "no_op", "broadcast", "mixed").sum())
    n_heads, n_sinks, no_op, broadcast, mixed = total.row(0)
    some = counts.filter(pl.col("n_sinks") > 0).head(words.FEW)
    return {
        "n_models": counts.height,
        "n_heads": n_heads,
        "n_sinks": n_sinks,
        "n_no_op": no_op,
        "n_broadcast": broadcast,
        "n_mixed": mixed,
        "models": some.to_dicts(),
    }


def chart(drawn: pl.DataFrame, models: list[str]) -> alt.VConcatChart:
    """Two panels per model, side by side."""
    rows = [
        pair(drawn.filter(pl.col("model") == model), model, with_legends=model == models[0])
        for model in models
    ]
    joined = alt.vconcat(*rows, spacing=14)
    return joined.resolve_scale(color="shared")


def pair(rows: pl.DataFrame, model: str, *, with_legends: bool) -> alt.HConcatChart:
    """Roles, and changes of output. with_legends: draw legends, which all models share."""
    n_layers, n_heads = axis_length(rows, "layer"), axis_length(rows, "head")
    side = min(CELL, WIDEST // n_layers)
    width, height = side * n_layers, side * n_heads
    gap = alt.Scale(paddingInner=0.05)
    x = alt.X("layer:O", title="layer", axis=cell_axis(), scale=gap)
    y = alt.Y("head:O", title="head", axis=cell_axis(), scale=gap)
    tooltip = tips(
        *("model:N", "layer:O", "head:O", "role:N", ("key_class:N", "class of the key")),
        *(("n_events:Q", "documents with a sink"), ("n_documents:Q", "documents")),
        *(one for name, title in NUMBERS.items() for one in estimated(name, title, ".3f")),
    )
    cells = only(model=model).mark_rect()
    letters_of = " : ".join(f"datum.role === '{role}' ? '{one}'" for role, one in LETTERS.items())
    text = only(model=model).transform_calculate(letter=f"{letters_of} : ''")
    of_role = colours("role", "role", COLOURS)
    role = cells.encode(
        x=x, y=y, color=of_role if with_legends else of_role.legend(None), tooltip=tooltip
    )
    letters = text.mark_text(fontSize=min(10, side), fill="white").encode(x=x, y=y, text="letter:N")
    scale = alt.Scale(type="log", domain=[LEAST, ALL_OF_IT], clamp=True, scheme="viridis")
    legend = alt.Legend(gradientLength=120, values=[0.01, 0.1, 1, 10], format="~g")
    color = alt.Color("sink_remove:Q", title="change of output", scale=scale, legend=legend)
    change = cells.encode(
        x=x, y=y, color=color if with_legends else color.legend(None), tooltip=tooltip
    )
    layers = [role, letters]
    left = alt.LayerChart(layer=layers, title=panel_title(model), width=width, height=height)
    right = change.properties(title=panel_title("sink removed"), width=width, height=height)
    return alt.hconcat(left, right, spacing=20).resolve_scale(color="independent")
