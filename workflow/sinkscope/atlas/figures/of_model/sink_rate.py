"""Sink rate by layer, over the first tokens of documents and over whole documents."""

from collections.abc import Sequence

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.atlas.figures.rates import WHY_WINDOW, of_key_zero, over, windows
from sinkscope.charts.channels import N_DOCUMENTS, OF_ONE, estimated, panels, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.lines import mean_lines
from sinkscope.charts.of_documents import behind, shown_documents, with_points
from sinkscope.charts.palette import CLASS_COLOURS
from sinkscope.charts.select import axis_length, rows_where, with_lengths
from sinkscope.charts.theme import (
    INK,
    colours,
    layer_axis,
    layer_width,
)
from sinkscope.findings.finding import Finding
from sinkscope.keys import KEY_CLASSES

KEY_ZERO = "key 0"
FINDING = (
    "At key 0, epsilon {{ '%g' | format(epsilon) }}, the sink rate of all layers is "
    "{% for one in rates %}{{ loop.index | separator(loop.length) }}"
    "{{ one.rate | percent_estimate(one.low, one.high) }} over {{ one.window | window_text }} "
    "({{ one.n_documents | counted('document') }}){% endfor %}."
)


def figure(tables: Tables, model: str, documents: Sequence[str]) -> Figure:
    rates = tables["sink_rate"]
    epsilon, n_layers = rates["epsilon"][0], axis_length(rates, "layer")
    drawn = with_single(rates, tables)
    classes = [name for name in KEY_CLASSES if f"best {name}" in set(drawn["label"])]
    by_name = {KEY_ZERO: INK} | {f"best {name}": CLASS_COLOURS[name] for name in classes}
    y = alt.Y("rate:Q", title="sink rate", axis=alt.Axis(format="%"))
    line = mean_lines(
        layer_axis(n_layers),
        y.scale(domain=[0, 1]),
        {"color": colours("label", "key", by_name)},
        tips(
            ("label:N", "key"),
            "layer:Q",
            *estimated("rate", "sink rate", ".1%"),
            ("queries:N", "over"),
            N_DOCUMENTS,
            *OF_ONE,
        ),
        field="rate",
        width=min(layer_width(n_layers), 330),
        height=240,
    )
    order = drawn["queries"].unique(maintain_order=True).to_list()
    totals = of_key_zero(tables).drop("model")
    return Figure(
        name="sink_rate",
        title="Sink rate by layer",
        subject=model,
        finding=Finding(FINDING, {"epsilon": epsilon, "rates": totals.to_dicts()}),
        caption=(
            "Formula: fraction of (document, head) with sink score alpha > epsilon, "
            f"epsilon = {epsilon:g}, by layer; alpha is the mean over queries "
            "i that can see key k of A[l,h,i,k], at key 0 and at the best key of each class. Only "
            "keys that more than half of the queries see are counted, and documents that have such "
            f"a key. {WHY_WINDOW}. n = the documents named above {words.TIMES} "
            f"{words.counted(tables['models']['n_heads'][0], 'head')} per layer; "
            f"{behind(drawn, tables['documents'].height)}. Unit: percent."
        ),
        chart=panels(line, "queries", 2, order),
        data=drawn,
    )


def with_single(rates: pl.DataFrame, tables: Tables) -> pl.DataFrame:
    """The rates of by_key, and those of single documents."""
    mean = by_key(rates.rename({"low": "rate_low", "high": "rate_high"}))
    shown = shown_documents(tables["documents"]["document"], mean.height)
    scored = rows_where(tables, "sink_rate_documents", pl.col("document").is_in(shown))
    single = by_key(scored.with_columns(rate=pl.col("n_above") / pl.col("n_heads")))
    return with_lengths(with_points(mean, single), tables["documents"])


def by_key(rates: pl.DataFrame) -> pl.DataFrame:
    """Rates of key 0 and of the best key of each class; `queries` names the tokens they are
    over."""
    first = pl.col("key_set") == "first_token"
    shown = rates.filter(first | ~pl.col("key_set").is_in(["bos", "cls", "first"]))
    shown = shown.drop_nulls("rate")
    parts = [
        over(shown, window).with_columns(queries=pl.lit(words.window_text(window)))
        for window in windows(shown)
    ]
    label = pl.when(first).then(pl.lit(KEY_ZERO)).otherwise(pl.format("best {}", "key_set"))
    columns = ("queries", "label", "key_set", "document", "layer", "epsilon", "n_documents",
               "rate", "rate_low", "rate_high")  # fmt: skip
    drawn = pl.concat(parts).with_columns(label=label)
    return drawn.select(name for name in columns if name in drawn.columns)
