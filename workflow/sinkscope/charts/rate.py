"""Sink rate by layer, over whole documents and over their first tokens."""

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
FORMULA = "share of (document, head) with sink score alpha > epsilon"


def over(rates: pl.DataFrame, window: int | None) -> pl.DataFrame:
    """Rows of the table sink_rate for whole documents (None) or for first tokens."""
    column = pl.col("window")
    return rates.filter(column.is_null() if window is None else column == window)


def windows(rates: pl.DataFrame) -> list[int | None]:
    """The windows that occur, whole documents first."""
    return sorted(rates["window"].unique().to_list(), key=lambda window: window or 0)


def mean_rate(rates: pl.DataFrame, key_set: str, window: int | None) -> float | None:
    """Over all layers; each has the same number of (document, head), so a plain mean is right."""
    mean = over(rates, window).filter(pl.col("key_set") == key_set)["rate"].mean()
    return None if mean is None else float(mean)  # type: ignore[arg-type]


def sink_rate(tables: Tables, model: str) -> Figure:
    rates = tables["sink_rate"]
    epsilon, n_layers = rates["epsilon"][0], axis_length(rates, "layer")
    n_documents, n_heads = tables["documents"].height, tables["models"]["n_heads"][0]
    first = pl.col("key_set") == "first_token"
    shown = rates.filter(first | ~pl.col("key_set").is_in(["bos", "cls", "first"]))
    parts = [
        over(shown, window).with_columns(queries=pl.lit(words.window_text(window)))
        for window in windows(shown)
    ]
    label = pl.when(first).then(pl.lit(KEY_ZERO)).otherwise(pl.format("best {}", "key_set"))
    drawn = pl.concat(parts).with_columns(label=label)
    drawn = rounded(drawn.select("queries", "label", "key_set", "layer", "epsilon", "rate"))
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
            ],
        )
    )
    panel = alt.Facet("queries:N", title=None, sort=panels)
    at_zero = {window: mean_rate(rates, "first_token", window) for window in windows(rates)}
    sentence = words.listed(
        [
            f"{words.percent(rate)} over the {words.window_text(window)}"
            for window, rate in at_zero.items()
            if rate is not None
        ]
    )
    return Figure(
        name="sink_rate",
        title="Sink rate by layer",
        subject=model,
        finding=f"At key 0, epsilon {epsilon:g}, the sink rate of all layers is {sentence}.",
        caption=(
            f"Formula: {FORMULA}, epsilon = {epsilon:g}, by layer; alpha is the mean over queries "
            "i that can see key k of A[l,h,i,k], at key 0 and at the best key of each class (of a "
            "class, under a causal mask, only keys that at least half of the queries see). The "
            "rate falls with the length of documents, hence also over first tokens, the setting "
            f"of Gu et al. n = {words.counted(n_documents, 'document')} {words.TIMES} "
            f"{words.counted(n_heads, 'head')} a layer (shorter documents are left out of the "
            "window). Unit: percent."
        ),
        chart=line.facet(facet=panel, columns=2, data=data_source(drawn)),
        data=drawn,
    )
