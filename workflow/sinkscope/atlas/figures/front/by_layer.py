"""Models by layers: the part of attention that the first token and other sinks receive."""

from collections.abc import Iterable
from typing import Any

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.atlas.figures.shares import (
    FIRST,
    PARTS,
    SPECIAL,
    TEXT,
    blocks_of,
    of_words,
    over_documents,
)
from sinkscope.charts.channels import tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.palette import PART_COLOURS
from sinkscope.charts.select import documents_in
from sinkscope.charts.theme import DATA, colours
from sinkscope.findings.finding import Finding

LABELS = {
    FIRST: "first token",
    SPECIAL: "other special tokens that are sinks",
    TEXT: "other tokens that are sinks",
}
MOST, MANY = 0.5, 0.1  # parts of attention that are called most, and worth a sentence
MOST_WORDS = 2  # tokens of the text in the sentence
HEIGHT, WIDTH = 34, 560  # of a row, in pixels
OPENING = (
    "{% if first and first[0].share >= most %}"
    "Some tokens receive most of the attention, whatever they mean"
    "{% elif first and (first[0].share >= many or text) %}"
    "Some tokens receive much of the attention, whatever they mean"
    "{% else %}No token receives much of the attention here{% endif %}"
)
FINDING = (
    "{% if first %}The first token gets up to "
    "{% for row in first[:2] %}{{ ' and ' if not loop.first }}{{ row.share | whole_percent }} "
    "in layer {{ row.layer }} of {{ row.model }} (more than half in {{ row.n_most }} of "
    "{{ row.n | counted('document') }}){% endfor %}"
    "{% if text %}; {% for row in text %}{{ loop.index | separator(loop.length) }}"
    "“{{ row.token | bare }}” up to {{ row.share | whole_percent }} in "
    "{{ [row.first_layer, row.last_layer] | layers }} of {{ row.model }} (a sink in {{ row.k }} of "
    "{{ row.n | counted('document') }}){% endfor %}{% endif %}"
    "{% if others %}{{ '; ' if first }}"
    "where attention is not plain softmax, the first token gets at most "
    "{{ others[0].share | whole_percent }} ({{ others[0].model }}){% endif %}."
    "{% elif others %}Where attention is not plain softmax, the first token gets at most "
    "{{ others[0].share | whole_percent }} ({{ others[0].model }}).{% endif %}"
)


def figure(tables: Tables) -> Figure | None:
    if tables["models"].is_empty():
        return None
    shares = blocks_of(tables)
    mean = over_documents(shares)
    facts = facts_of(tables, shares, mean)
    # The models in the order of what the first token gets at most.
    order = largest(mean, FIRST).select("model").with_row_index("place")
    ordered = mean.join(order, on="model").sort("place", "layer").drop("place")
    drawn = with_places(ordered)
    return Figure(
        name="sinks_by_layer",
        title="Where attention goes, layer by layer",
        finding=Finding(FINDING, facts),
        caption=(
            "One row per model, one bar per layer, first to last from left to right. Height (all "
            "of the row is 1): part of the layer's attention that goes to the first token and to "
            "the other tokens that are sinks, mean over heads, queries and documents; attention "
            "other than softmax is divided by the sum of its rows. Dashed: the first token's "
            "part under uniform attention. Other sinks are counted only in documents long enough "
            "for the sink rule. "
            f"n = {documents_in(tables['documents'])} per model. Unit: part of 1, linear scale. "
            "Layers count from 0."
        ),
        chart=chart(drawn),
        data=drawn,
    )


def facts_of(tables: Tables, shares: Iterable[pl.DataFrame], mean: pl.DataFrame) -> dict[str, Any]:
    """first: per model with softmax the layer in which the first token gets most, largest first;
    published models before others, of which only one that is larger still stands second. others:
    the same of the other models. text: ordinary tokens that are sinks, one per model."""
    models = tables["models"].select("model", "attention", "source")
    peaks = largest(mean, FIRST).join(models, on="model", maintain_order="left")
    place, is_most = ["model", "layer"], (pl.col(FIRST) > MOST).sum()
    of_blocks = [one.group_by(place).agg(n_most=is_most, n=pl.len()) for one in shares]
    counts = pl.concat(of_blocks).group_by(place).agg(pl.col("n_most", "n").sum())
    peaks = peaks.join(counts, on=["model", "layer"], maintain_order="left")
    is_softmax = pl.col("attention") == "softmax"
    columns = ("model", "layer", "share", "low", "high", "n_most", "n")
    return {
        "most": MOST,
        "many": MANY,
        "first": published_first(peaks.filter(is_softmax)).select(columns).to_dicts(),
        "text": words_facts(of_words(tables)),
        "others": peaks.filter(~is_softmax).select(columns).to_dicts(),
    }


def largest(mean: pl.DataFrame, part: str) -> pl.DataFrame:
    """model, layer, share, low, high: the layer of each model with the largest mean, largest
    first."""
    named = mean.select(
        "model", "layer", share=part, low=f"{part}_low", high=f"{part}_high"
    ).drop_nulls("share")
    ordered = named.sort("share", "model", "layer", descending=[True, False, False])
    return ordered.group_by("model", maintain_order=True).first()


def published_first(peaks: pl.DataFrame) -> pl.DataFrame:
    """The largest of the published models, then those that exceed it, then the rest."""
    is_published = pl.col("source").str.contains("^(hub|package):")
    best = peaks.filter(is_published).head(1)
    rest = peaks.join(best.select("model"), on="model", how="anti")
    return pl.concat([best, rest])


def words_facts(of_layers: pl.DataFrame) -> list[dict[str, Any]]:
    """Per model the token with the largest mean, with the layers around it in which it gets at
    least half as much; only tokens that get a share worth a sentence."""
    facts: list[dict[str, Any]] = []
    token = ["model", "token", "key_class"]
    ordered = of_layers.sort("share", *token, "layer", descending=[True, *[False] * 4])
    for row in ordered.unique("model", keep="first", maintain_order=True).iter_rows(named=True):
        if row["share"] < MANY or len(facts) == MOST_WORDS:
            continue
        same = of_layers.filter(
            *(pl.col(name) == row[name] for name in token), pl.col("share") * 2 >= row["share"]
        )
        first, last = around(row["layer"], set(same["layer"].to_list()))
        facts.append(
            {
                **{name: row[name] for name in token},
                "layer": row["layer"],
                "share": row["share"],
                "low": row["share_low"],
                "high": row["share_high"],
                "first_layer": first,
                "last_layer": last,
                "k": row["n"],
                "n": row["n_documents"],
            }
        )
    return facts


def around(layer: int, layers: set[int]) -> tuple[int, int]:
    """First and last of the consecutive layers around one of them."""
    first = last = layer
    while first - 1 in layers:
        first -= 1
    while last + 1 in layers:
        last += 1
    return first, last


def with_places(mean: pl.DataFrame) -> pl.DataFrame:
    """Adds the ends of each bar: from and to along the depth of the model, and the height at which
    each part ends; and in the first row of a model what its first token gets at most."""
    n_layers = pl.col("layer").max().over("model") + 1
    parts = [pl.col(part).fill_null(0.0) for part in PARTS]
    tops = [pl.sum_horizontal(parts[: i + 1]).clip(0, 1) for i in range(len(parts))]
    return mean.with_columns(
        start=pl.col("layer") / n_layers,
        stop=(pl.col("layer") + 1) / n_layers,
        answer=pl.when(pl.int_range(pl.len()).over("model") == 0).then(
            pl.struct(
                share=pl.col(FIRST).max().over("model"),
                layer=pl.col("layer").sort_by(FIRST).last().over("model"),
            ).map_elements(answer, return_dtype=pl.String)
        ),
        **{f"{part}_top": top for part, top in zip(PARTS, tops, strict=True)},
    )


def answer(peak: dict[str, Any]) -> str | None:
    """'79 % in layer 24'."""
    if peak["share"] is None:
        return None
    return f"{words.whole_percent(peak['share'])} in layer {peak['layer']}"


def chart(drawn: pl.DataFrame) -> alt.FacetChart:
    """One row of bars per model."""
    names = drawn["model"].unique(maintain_order=True).to_list()
    depth = alt.Axis(values=[0, 1], labelExpr="datum.value ? 'last layer' : 'first'", grid=False)
    x = alt.X("start:Q", title=None, axis=depth, scale=alt.Scale(domain=[0, 1], nice=False))
    height = alt.Scale(domain=[0, 1])
    axis = alt.Axis(values=[0, 1], labels=False, grid=True)
    tooltip = tips(
        "model:N", "layer:Q",
        *((f"{part}:Q", LABELS[part], ".3f") for part in PARTS),
        (f"{FIRST}_low:Q", "first token, 95 % interval from", ".3f"),
        (f"{FIRST}_high:Q", "to", ".3f"),
        (f"{FIRST}_n:Q", "documents"), ("uniform:Q", "uniform attention", ".3f"),
    )  # fmt: skip
    layers = []
    for below, part in zip((None, *PARTS), PARTS, strict=False):
        bar = alt.Chart().transform_calculate(part=f"'{LABELS[part]}'", zero="0")
        bar = bar.mark_rect(stroke="white", strokeWidth=0.5)
        layers.append(
            bar.encode(
                x=x,
                x2="stop:Q",
                y=alt.Y(
                    f"{below}_top:Q" if below else "zero:Q", title=None, scale=height, axis=axis
                ),
                y2=f"{part}_top:Q",
                color=colours("part", None, {LABELS[name]: PART_COLOURS[name] for name in PARTS}),
                tooltip=tooltip,
            )
        )
    even = alt.Chart().mark_rule(strokeDash=[2, 2], opacity=0.8)
    layers.append(even.encode(x=x, x2="stop:Q", y=alt.Y("uniform:Q", scale=height, axis=axis)))
    once = alt.Chart().transform_filter("isValid(datum.answer)").encode(y=alt.value(HEIGHT / 2))
    name = once.mark_text(align="right", fontSize=12).encode(x=alt.value(-24), text="model:N")
    said = once.mark_text(align="left", fontSize=12).encode(x=alt.value(WIDTH + 8), text="answer:N")
    layers += [name, said]
    layered = alt.LayerChart(layer=layers, width=WIDTH, height=HEIGHT)
    # The name is a text, since headers of rows do not align at the right.
    row = alt.Row("model:N", title=None, sort=names, header=alt.Header(labels=False))
    return layered.facet(row=row, data=DATA, spacing=7)
