"""Families trained with more than one kind of attention, side by side."""

from __future__ import annotations

import altair as alt
import polars as pl

from sinkscope.charts import words
from sinkscope.charts.emergence import UNTRAINED, on_log_axis, tokens_axis
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.palette import LINE_DASHES, model_colour
from sinkscope.charts.theme import LINE_LEGEND, colours, data_source, layer_axis, rounded
from sinkscope.reduce import growth
from sinkscope.reduce.growth import WINDOW

VALUES = {
    "first_token": "attention to the first token",
    "row_sum": "sum of a row of attention",
    "share": "first token as part of the sum",
}


def figures(tables: Tables) -> list[Figure]:
    """In the order of the report; none where every family has one kind of attention."""
    log = tables["emergence"].filter(pl.col("window") == WINDOW)
    compared = log.filter(pl.col("attention").n_unique().over("family") > 1)
    if compared.is_empty():
        return []
    labels = {name: words.attention_label(name) for name in compared["attention"].unique()}
    rows = growth.share_of_row(growth.by_layer(compared)).with_columns(
        kind=pl.col("attention").replace_strict(labels)
    )
    return [loss(rows), layers(rows), trained(rows)]


def by_family(rows: pl.DataFrame) -> pl.DataFrame:
    """Softmax first within its family."""
    other = pl.col("attention") != "softmax"
    return rows.sort("family", other, "model", "step", "layer")


def lines(rows: pl.DataFrame) -> dict[str, alt.Color | alt.StrokeDash]:
    """Colour and dash of every model."""
    names = by_family(rows)["model"].unique(maintain_order=True).to_list()
    by_name = {name: model_colour(sorted(names), name) for name in names}
    dashes = [list(LINE_DASHES[i % len(LINE_DASHES)]) for i in range(len(names))]
    dash = alt.StrokeDash("model:N", title=None, legend=LINE_LEGEND)
    return {
        "color": colours("model", None, by_name).legend(LINE_LEGEND),
        "strokeDash": dash.scale(domain=names, range=dashes),
    }


def loss(rows: pl.DataFrame) -> Figure:
    one = by_family(rows.filter(pl.col("layer") == 0))
    drawn = rounded(
        on_log_axis(one.select("family", "model", "kind", "step", "tokens", loss="heldout_loss"))
    )
    line = (
        alt.Chart(width=560, height=240)
        .mark_line(point=alt.OverlayMarkDef(size=20))
        .encode(
            x=tokens_axis(drawn),
            y=alt.Y("loss:Q", title="held-out loss (nats a token)").scale(zero=False),
            **lines(rows),
            tooltip=[
                alt.Tooltip("model:N"),
                alt.Tooltip("kind:N", title="attention"),
                alt.Tooltip("tokens:Q", title="tokens trained", format=","),
                alt.Tooltip("loss:Q", title="held-out loss", format=".4f"),
            ],
        )
    )
    parts = []
    for (family,), last in growth.finished(one).group_by("family", maintain_order=True):
        values = [
            f"{row['heldout_loss']:.3f} with {row['kind']}" for row in last.iter_rows(named=True)
        ]
        parts.append(f"the held-out loss of {family} ends at {words.listed(values)}")
    return Figure(
        name="alternatives_loss",
        title="Held-out loss with and without softmax",
        finding=words.joined(parts),
        caption=(
            "Models of one family, trained alike but for what turns logits into attention. Loss "
            f"over held-out windows of {WINDOW} tokens, nats a predicted token. {UNTRAINED} "
            f"n = {words.counted(drawn['step'].n_unique(), 'measurement')} a model. "
            "Unit: nats a token."
        ),
        chart=line.facet(
            facet=alt.Facet("family:N", title=None), columns=1, data=data_source(drawn)
        ),
        data=drawn,
    )


def layers(rows: pl.DataFrame) -> Figure:
    """Panels: attention to the first token, sum of a row, and the one by the other."""
    last = by_family(growth.finished(rows))
    single = last["family"].n_unique() == 1
    value = pl.col("value").replace_strict(VALUES)
    drawn = rounded(
        last.unpivot(
            list(VALUES), index=["family", "model", "kind", "layer"], variable_name="value",
            value_name="amount",
        ).with_columns(panel=value if single else pl.format("{}: {}", "family", value))
    )  # fmt: skip
    line = (
        alt.Chart(width=220, height=190)
        .mark_line(point=alt.OverlayMarkDef(size=22))
        .encode(
            x=layer_axis(int(last.select(pl.col("layer").max()).item()) + 1),
            y=alt.Y("amount:Q", title=None).scale(domainMin=0),
            **lines(rows),
            tooltip=[
                alt.Tooltip("model:N"),
                alt.Tooltip("kind:N", title="attention"),
                alt.Tooltip("layer:Q"),
                alt.Tooltip("amount:Q", format=".4f"),
            ],
        )
    )
    panels = drawn["panel"].unique(maintain_order=True).to_list()
    chart = line.facet(
        facet=alt.Facet("panel:N", title=None, sort=panels), columns=3, data=data_source(drawn)
    ).resolve_scale(y="independent")
    return Figure(
        name="alternatives_layers",
        title="The first token, by layer",
        finding=words.joined(strongest_layers(last)),
        caption=(
            "Formula: mean over heads and queries of A[l,h,i,0] (left) and of the sum over keys j "
            "of A[l,h,i,j] (middle; 1 with softmax), and the first divided by the second (right), "
            f"of the trained models over held-out windows of {WINDOW} tokens. "
            f"n = {words.counted(last['model'].n_unique(), 'model')}. Unit: attention; part of 1 "
            "on the right. Layers count from 0."
        ),
        chart=chart,
        data=drawn,
    )


def strongest_layers(last: pl.DataFrame) -> list[str]:
    """A phrase a family: what the first token gets in the strongest layer of each model."""
    best = by_family(growth.strongest(last, "first_token"))
    parts = []
    for (family,), rows in best.group_by("family", maintain_order=True):
        values = [
            f"{words.mass(row['first_token'])} with {row['kind']} (layer {row['layer']}, "
            f"{words.mass(row['share'])} of its row)"
            for row in rows.iter_rows(named=True)
        ]
        parts.append(f"in {family} the first token gets up to {words.listed(values)}")
    return parts


def trained(rows: pl.DataFrame) -> Figure:
    """The trained models as a table of numbers."""
    best = by_family(growth.strongest(growth.finished(rows), "first_token"))
    drawn = rounded(
        best.select(
            "family", "model", "kind", "tokens", "layer", "first_token", "row_sum", "share",
            loss="heldout_loss",
        )
    )  # fmt: skip
    columns = {
        "attention": "datum.kind",
        "held-out loss": "format(datum.loss, '.3f')",
        "strongest layer": "datum.layer",
        "first token": "format(datum.first_token, '.3f')",
        "sum of a row": "format(datum.row_sum, '.3f')",
        "part of the sum": "format(datum.share, '.3f')",
    }
    names = drawn["model"].to_list()
    y = alt.Y("model:N", title=None, sort=names)
    y = y.axis(labelFontSize=12, labelPadding=8, grid=True, tickBand="extent")
    axis = alt.Axis(orient="top", labelAngle=0, ticks=False, domain=False, title=None)
    texts = [
        alt.Chart()
        .transform_calculate(text=text, column=f"'{column}'")
        .mark_text(fontSize=11.5)
        .encode(x=alt.X("column:N", sort=list(columns), axis=axis), y=y, text="text:N")
        for column, text in columns.items()
    ]
    return Figure(
        name="alternatives_trained",
        title="The trained models in numbers",
        finding=words.joined(lowest_losses(drawn)),
        caption=(
            "Held-out loss at the end of training; the layer that gives the first token most, "
            "what it gives, the sum of its rows, and the first divided by the second; means over "
            f"heads, queries and held-out windows of {WINDOW} tokens. "
            f"n = {words.counted(len(names), 'model')}. Unit: nats a token; attention; part of 1."
        ),
        chart=alt.layer(*texts, width=680, height=32 * len(names)).properties(
            data=data_source(drawn)
        ),
        data=drawn,
    )


def lowest_losses(drawn: pl.DataFrame) -> list[str]:
    """A phrase a family: which model's loss is lowest, and by how much."""
    parts = []
    for (family,), rows in drawn.group_by("family", maintain_order=True):
        ordered = rows.sort("loss", "model")
        first, last = ordered.row(0, named=True), ordered.row(-1, named=True)
        parts.append(
            f"of {family}, {first['model']} has the lowest held-out loss, "
            f"{last['loss'] - first['loss']:.3f} nats a token below {last['model']}"
        )
    return parts
