"""Loss along a long text, through windows with and without sinks."""

from typing import Any

import altair as alt
import polars as pl

from sinkscope.charts.channels import N_DOCUMENTS, estimated, panels, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.lines import Look, line_looks, mean_lines
from sinkscope.charts.of_documents import behind, with_points
from sinkscope.charts.select import documents_in
from sinkscope.charts.theme import ALL_DOCUMENTS
from sinkscope.findings.finding import Finding
from sinkscope.means import over_documents

LOOKS: dict[str, Look] = {
    "dense": ("#8a8f98", (1, 0)),
    "window": ("#d55e00", (2, 2)),
    "sinks+window": ("#0072b2", (6, 3)),
    "rolling": ("#009e73", (1, 0)),
}
BY, ENDS = ["model", "attention", "window"], ("", "_low", "_high")
FINDING = (
    "{% for row in models %}"
    "{% if not loop.first %}; {% endif %}{{ row.model }}, {{ row.n_tokens|integer }} tokens, "
    "{{ row.window|integer }} keys per query: perplexity of the second half "
    "{{ row.with_window|estimate(row.with_window_low, row.with_window_high, '.1f') }} with a "
    "window alone, {{ row.with_sinks|estimate(row.with_sinks_low, row.with_sinks_high, '.1f') }} "
    "with {{ row.n_sinks }} of its keys on the first tokens"
    "{% if row.rolling is not none %}, "
    "{{ row.rolling|estimate(row.rolling_low, row.rolling_high, '.1f') }} in a rolling cache"
    "{% endif %} (dense {{ row.dense|estimate(row.dense_low, row.dense_high, '.1f') }})"
    "{% endfor %}."
)


def figure(tables: Tables) -> Figure | None:
    facts = facts_of(tables["long_texts"])
    if not facts["models"]:
        return None
    drawn = lines(tables["long_text_positions"])
    n_documents = tables["long_text_positions"]["document"].n_unique()
    return Figure(
        name="long_texts",
        title="Long texts through a window",
        finding=Finding(FINDING, facts),
        caption=(
            "Negative log likelihood of the tokens, mean over 128 positions and "
            f"n = {documents_in(tables['long_texts'])}, by position; "
            f"{behind(drawn, n_documents)}. window: every query sees its "
            "most recent keys, itself included; sinks+window: some of these keys are the first "
            "tokens, with positions in the text; rolling: with positions in a cache, so that "
            "their distance is at most the length of the cache. One pass over the text computes "
            "the same as a cache token by token (Xiao et al. 2023). The perplexities above are "
            "of the second half of the text. Unit: nats per token, linear scale."
        ),
        chart=chart(drawn),
        data=drawn,
    )


def facts_of(table: pl.DataFrame) -> dict[str, Any]:
    """Of every model and window: perplexities of the second half, over all documents, with their
    intervals."""
    losses = over_documents(table, BY, ["loss_late"])
    kinds = table.group_by(BY).agg(pl.col("n_tokens").max(), pl.col("n_sinks").first())

    def of(attention: str, name: str) -> pl.DataFrame:
        rows = losses.filter(pl.col("attention") == attention)
        perplexities = {f"{name}{end}": pl.col(f"loss_late{end}").exp() for end in ENDS}
        return rows.select("model", "window", **perplexities)

    place = ["model", "window"]
    models = (
        kinds.filter(pl.col("attention") == "sinks+window")
        .drop("attention")
        .join(of("sinks+window", "with_sinks"), on=place)
        .join(of("dense", "dense").drop("window"), on="model")
        .join(of("window", "with_window"), on=place)
        .join(of("rolling", "rolling"), on=place, how="left")
        .sort(place)
    )
    return {"models": models.to_dicts()}


def lines(positions: pl.DataFrame) -> pl.DataFrame:
    """panel, model, attention, window, position, document, loss and its interval: means over
    documents, and the documents behind them; dense attention in the panel of every window."""
    means = over_documents(positions, [*BY, "position"], ["loss"])
    both = with_points(means.rename({"loss_n": "n_documents"}), positions)
    windows = both.drop_nulls("window").select("model", "window").unique()
    is_dense = pl.col("window").is_null()
    dense = both.filter(is_dense).drop("window").join(windows, on="model").select(both.columns)
    panel = pl.format("{}, {} keys", "model", "window")
    rows = pl.concat([both.filter(~is_dense), dense]).with_columns(panel=panel)
    is_single = pl.col("document") != ALL_DOCUMENTS
    return rows.sort("model", "window", "attention", is_single, "document", "position")


def chart(drawn: pl.DataFrame) -> alt.FacetChart:
    """One panel per model and window."""
    order = drawn.select("model", "window", "panel").unique().sort("model", "window")["panel"]
    tooltip = tips(
        "model:N",
        "attention:N",
        ("window:Q", "keys"),
        ("position:Q", "from position"),
        *estimated("loss", "loss", ".3f"),
        N_DOCUMENTS,
        "document:N",
    )
    x = alt.X("position:Q", title="position").axis(format=",d", tickCount=5)
    y = alt.Y("loss:Q", title="nats per token").scale(zero=False)
    looks = line_looks("attention", LOOKS)
    line = mean_lines(x, y, looks, tooltip, field="loss", width=310, height=200)
    return panels(line, "panel", 2, order.to_list()).resolve_scale(x="independent")
