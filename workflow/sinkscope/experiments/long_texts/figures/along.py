"""Loss along a long text, through windows with and without sinks."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from sinkscope.charts.channels import panels, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.lines import Look, line_looks
from sinkscope.charts.select import documents_in
from sinkscope.charts.theme import rounded
from sinkscope.findings.finding import Finding

LOOKS: dict[str, Look] = {
    "dense": ("#8a8f98", (1, 0)),
    "window": ("#d55e00", (2, 2)),
    "sinks+window": ("#0072b2", (6, 3)),
    "rolling": ("#009e73", (1, 0)),
}
BY = ["model", "attention", "window"]
FINDING = (
    "{% for row in models %}"
    "{% if not loop.first %}; {% endif %}{{ row.model }}, {{ row.n_tokens|integer }} tokens, "
    "{{ row.window|integer }} keys per query: perplexity of the second half "
    "{{ row.with_window|decimals(1) }} with a window alone, {{ row.with_sinks|decimals(1) }} with "
    "{{ row.n_sinks }} of its keys on the first tokens"
    "{% if row.rolling is not none %}, {{ row.rolling|decimals(1) }} in a rolling cache{% endif %} "
    "(dense {{ row.dense|decimals(1) }})"
    "{% endfor %}."
)


def figure(tables: Tables) -> Figure | None:
    facts = facts_of(tables["long_texts"])
    if not facts["models"]:
        return None
    drawn = rounded(lines(tables["long_text_positions"]))
    return Figure(
        name="long_texts",
        title="Long texts through a window",
        finding=Finding(FINDING, facts),
        caption=(
            "Negative log likelihood of the tokens, mean over 128 positions and "
            f"n = {documents_in(tables['long_texts'])}, by position. window: every query sees its "
            "most recent keys, itself included; sinks+window: the first tokens are some of these "
            "keys, at their places in the text; rolling: at their places in a cache, so that they "
            "stay as near as the cache is long. One pass over the text computes what a cache "
            "computes token by token (Xiao et al. 2023). The perplexities above are of the second "
            "half of the text. Unit: nats per token, linear scale."
        ),
        chart=chart(drawn),
        data=drawn,
    )


def facts_of(table: pl.DataFrame) -> dict[str, Any]:
    """Of every model and window: perplexities of the second half, over all documents."""
    means = (
        table.group_by(BY)
        .agg(pl.col("loss_late").mean().exp(), pl.col("n_tokens").max(), pl.col("n_sinks").first())
        .sort(BY, nulls_last=False)
    )

    def of(attention: str, name: str) -> pl.DataFrame:
        rows = means.filter(pl.col("attention") == attention)
        return rows.select("model", "window", pl.col("loss_late").alias(name))

    models = (
        means.filter(pl.col("attention") == "sinks+window")
        .rename({"loss_late": "with_sinks"})
        .join(of("dense", "dense").drop("window"), on="model")
        .join(of("window", "with_window"), on=["model", "window"])
        .join(of("rolling", "rolling"), on=["model", "window"], how="left")
        .sort("model", "window")
    )
    columns = ["model", "window", "n_tokens", "n_sinks", "dense", "with_window", "with_sinks"]
    return {"models": models.select(*columns, "rolling").to_dicts()}


def lines(positions: pl.DataFrame) -> pl.DataFrame:
    """panel, model, attention, window, position, loss: means over documents; dense attention in
    the panel of every window."""
    means = positions.group_by(*BY, "position").agg(pl.col("loss").mean())
    windows = means.drop_nulls("window").select("model", "window").unique()
    is_dense = pl.col("window").is_null()
    dense = means.filter(is_dense).drop("window").join(windows, on="model")
    panel = pl.format("{}, {} keys", "model", "window")
    columns = ["model", "attention", "window", "position", "loss"]
    rows = pl.concat([means.filter(~is_dense).select(columns), dense.select(columns)])
    return rows.with_columns(panel=panel).sort("model", "window", "attention", "position")


def chart(drawn: pl.DataFrame) -> alt.FacetChart:
    """One panel per model and window."""
    order = drawn.select("model", "window", "panel").unique().sort("model", "window")["panel"]
    tooltip = tips(
        *("model:N", "attention:N", ("window:Q", "keys"), ("position:Q", "from position")),
        ("loss:Q", "loss", ".3f"),
    )
    x = alt.X("position:Q", title="position").axis(format=",d", tickCount=5)
    y = alt.Y("loss:Q", title="nats per token").scale(zero=False)
    line = alt.Chart(width=310, height=200).mark_line(strokeWidth=1.5)
    line = line.encode(x=x, y=y, **line_looks("attention", LOOKS), tooltip=tooltip)
    return panels(line, drawn, "panel", 2, order.to_list()).resolve_scale(x="independent")
