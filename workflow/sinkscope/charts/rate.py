"""Sink rate by layer, over the first tokens of documents and over whole documents."""

from __future__ import annotations

import altair as alt
import polars as pl

from sinkscope.charts import words
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.palette import CLASS_COLOURS
from sinkscope.charts.select import axis_length
from sinkscope.charts.theme import INK, colours, data_source, layer_axis, layer_width, rounded
from sinkscope.keys import KEY_CLASSES

KEY_ZERO = "key 0"
FORMULA = "fraction of (document, head) with sink score alpha > epsilon"
WHY_WINDOW = (
    "A sink score falls with length: under a causal mask, attention spread evenly over 7 tokens "
    "gives key 0 a score of 0.37. The rate over the first tokens, the setting of Gu et al. (2024), "
    "compares texts of one length; documents that are shorter are not counted there"
)


def over(rates: pl.DataFrame, window: int | None) -> pl.DataFrame:
    """Rows of the table sink_rate for whole documents (None) or for first tokens."""
    column = pl.col("window")
    return rates.filter(column.is_null() if window is None else column == window)


def windows(rates: pl.DataFrame) -> list[int | None]:
    """The windows that occur, whole documents last."""
    known = rates.drop_nulls("rate")["window"].unique().to_list()
    return sorted(known, key=lambda window: (window is None, window))


def mean_rate(rates: pl.DataFrame, key_set: str, window: int | None) -> float | None:
    """Over all (document, layer, head); layers differ in documents that have a score. None where
    there are none."""
    n, rows = pl.col("n_documents"), over(rates, window).filter(pl.col("key_set") == key_set)
    total = rows.select(
        pl.when(n.sum() > 0).then((pl.col("rate").fill_null(0) * n).sum() / n.sum())
    )
    return None if total.item() is None else float(total.item())


def n_counted(rates: pl.DataFrame, window: int | None) -> int:
    """Documents whose key 0 has a score, in the layer where these are most."""
    rows = over(rates, window).filter(pl.col("key_set") == "first_token")
    return int(rows.select(pl.col("n_documents").max().fill_null(0)).item())


def rates_text(rates: pl.DataFrame) -> str:
    """'75.0% over the first 64 tokens (6 documents) and ...', of key 0 in all layers."""
    return words.listed(
        [
            f"{words.percent(rate)} over {words.window_text(window)} "
            f"({words.counted(n_counted(rates, window), 'document')})"
            for window in windows(rates)
            if (rate := mean_rate(rates, "first_token", window)) is not None
        ]
    )


def sink_rate(tables: Tables, model: str) -> Figure:
    rates = tables["sink_rate"]
    epsilon, n_layers = rates["epsilon"][0], axis_length(rates, "layer")
    n_heads = tables["models"]["n_heads"][0]
    first = pl.col("key_set") == "first_token"
    shown = rates.filter(first | ~pl.col("key_set").is_in(["bos", "cls", "first"]))
    shown = shown.drop_nulls("rate")
    parts = [
        over(shown, window).with_columns(queries=pl.lit(words.window_text(window)))
        for window in windows(shown)
    ]
    label = pl.when(first).then(pl.lit(KEY_ZERO)).otherwise(pl.format("best {}", "key_set"))
    drawn = pl.concat(parts).with_columns(label=label)
    columns = ("queries", "label", "key_set", "layer", "epsilon", "n_documents", "rate")
    drawn = rounded(drawn.select(columns))
    panels = drawn["queries"].unique(maintain_order=True).to_list()
    classes = [name for name in KEY_CLASSES if f"best {name}" in set(drawn["label"])]
    of_classes = {f"best {name}": CLASS_COLOURS[name] for name in classes}
    by_name = {KEY_ZERO: INK} | of_classes
    line = (
        alt.Chart(width=min(layer_width(n_layers), 330), height=240)
        .mark_line(point=alt.OverlayMarkDef(size=18))
        .encode(
            x=layer_axis(n_layers),
            y=alt.Y("rate:Q", title="sink rate", axis=alt.Axis(format="%")).scale(domain=[0, 1]),
            color=colours("label", "key", by_name),
            tooltip=[
                alt.Tooltip("label:N", title="key"),
                alt.Tooltip("layer:Q"),
                alt.Tooltip("rate:Q", title="sink rate", format=".1%"),
                alt.Tooltip("queries:N", title="over"),
                alt.Tooltip("n_documents:Q", title="documents"),
            ],
        )
    )
    panel = alt.Facet("queries:N", title=None, sort=panels)
    return Figure(
        name="sink_rate",
        title="Sink rate by layer",
        subject=model,
        finding=(
            f"At key 0, epsilon {epsilon:g}, the sink rate of all layers is {rates_text(rates)}."
        ),
        caption=(
            f"Formula: {FORMULA}, epsilon = {epsilon:g}, by layer; alpha is the mean over queries "
            "i that can see key k of A[l,h,i,k], at key 0 and at the best key of each class. Only "
            "keys that more than half of the queries see are counted, and documents that have such "
            f"a key. {WHY_WINDOW}. n = the documents named above {words.TIMES} "
            f"{words.counted(n_heads, 'head')} per layer. Unit: percent."
        ),
        chart=line.facet(facet=panel, columns=2, data=data_source(drawn)),
        data=drawn,
    )
