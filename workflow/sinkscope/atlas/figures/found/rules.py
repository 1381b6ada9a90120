"""Both rules side by side: keys that are sinks by attention, by state, or by both."""

from typing import Any

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.atlas.figures.compared import in_order, titles_axis, with_titles
from sinkscope.charts.channels import tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.bars import bars
from sinkscope.charts.select import documents_in
from sinkscope.charts.theme import colours
from sinkscope.findings.finding import Finding
from sinkscope.tables.read import queried

KINDS = {"both": "#009e73", "attention alone": "#0072b2", "state alone": "#cc79a7"}
BY = ["model", "kind"]
FINDING = (
    "Excluding key 0, both rules name {{ both | counted('sink') }} (keys of a layer of a "
    "document); "
    "attention alone names {{ attention | integer }}, state alone {{ state | integer }}"
    "{% for row in attention_tokens %}. By attention alone, {{ row.model }} has "
    "{{ row.n | integer }}, most often {{ row.token | token(row.key_class) }}{% endfor %}"
    "{% for row in state_tokens %}. By state alone, {{ row.model }} has {{ row.n | integer }}, "
    "most often {{ row.token | token(row.key_class) }}: a state like that of key 0 does not "
    "always draw attention{% endfor %}."
)


def figure(tables: Tables) -> Figure | None:
    rows = queried(tables, "found_sinks", of_kinds)
    if rows.is_empty():
        return None
    titles = in_order(tables)
    counts = rows.group_by(BY).agg(pl.col("n").sum())
    share = pl.col("n") / pl.col("n").sum().over("model")
    order = pl.col("kind").replace_strict(list(KINDS), range(len(KINDS)))
    counts = counts.with_columns(share=share, order=order).sort("model", "order")
    n_of = dict(rows.group_by("model").agg(pl.col("n").sum()).rows())
    titles = {model: f"{title}, n = {n_of.get(model, 0):,}" for model, title in titles.items()}
    drawn = with_titles(counts, titles)
    x = alt.X(
        "share:Q", title="share of the keys that either rule names", axis=alt.Axis(format="%")
    )
    chart = bars(
        x.scale(domain=[0, 1]),
        titles_axis(titles),
        colours("kind", "sink by", KINDS),
        tips("model:N", ("kind:N", "sink by"), ("n:Q", "keys", ","), ("share:Q", "", ".1%")),
        width=560,
        height=26 * len(titles),
        order=alt.Order("order:Q"),
    )
    return Figure(
        name="found_sinks_rules",
        title="Sinks by attention and sinks by state",
        finding=Finding(FINDING, facts_of(rows)),
        caption=(
            "By attention: the key receives, from most queries, much more than uniform "
            "attention. By state (Wong et al. 2025): the residual state that enters the layer "
            "has an absolute cosine above sink_cosine to that of key 0. Key 0 itself is left "
            "out: its cosine is 1. n: keys of a layer of a document that either rule names; "
            f"{words.integer(int(rows['n'].sum()))} in all, of "
            f"{documents_in(tables['documents'])} per model. Unit: share of the model's n."
        ),
        chart=chart,
        data=drawn,
    )


def of_kinds(rows: pl.LazyFrame) -> pl.LazyFrame:
    """model, kind, token, key_class, n: the number of keys of a layer that either rule names."""
    both = pl.col("by_attention") & pl.col("by_state")
    kind = pl.when(both).then(pl.lit("both")).when("by_attention").then(pl.lit("attention alone"))
    return (
        rows.filter(pl.col("key") > 0, pl.col("by_attention") | pl.col("by_state"))
        .with_columns(kind=kind.otherwise(pl.lit("state alone")))
        .group_by("model", "kind", "token", "key_class")
        .agg(n=pl.len().cast(pl.Int64))
    )


def facts_of(rows: pl.DataFrame) -> dict[str, Any]:
    """Facts: how many keys of each kind; per one-sided kind the model with the most, and its most
    frequent token."""
    n = dict(rows.group_by("kind").agg(pl.col("n").sum()).rows())
    both, attention, state = (n.get(kind, 0) for kind in KINDS)
    return {
        "both": both,
        "attention": attention,
        "state": state,
        "attention_tokens": most_frequent(rows.filter(pl.col("kind") == "attention alone")),
        "state_tokens": most_frequent(rows.filter(pl.col("kind") == "state alone")),
    }


def most_frequent(rows: pl.DataFrame) -> list[dict[str, Any]]:
    models = rows.group_by("model").agg(pl.col("n").sum())
    models = models.sort("n", "model", descending=[True, False])
    tokens = ["token", "key_class"]
    counts = rows.group_by("model", *tokens).agg(count=pl.col("n").sum())
    ordered = counts.sort("count", *tokens, descending=[True, False, False])
    best = ordered.group_by("model", maintain_order=True).first()
    joined = models.head(1).join(best, on="model")
    return joined.select("model", "n", *tokens).to_dicts()
