"""The second sink's controls: other marks in the place of the first terminator."""

from __future__ import annotations

import altair as alt
import polars as pl

from sinkscope.charts import words
from sinkscope.charts.figure import Figure
from sinkscope.charts.palette import CLASS_COLOURS
from sinkscope.charts.theme import data_source, rounded
from sinkscope.reduce.second_sink import OWN

FORMULA = (
    "mean over queries i after both keys (encoders: all other queries) of M[l,i,k], for k = 0 and "
    "for the first token that ends a sentence"
)
KINDS = {".": "full stop", "!": "exclamation mark", "?": "question mark", ",": "comma"}
NEXT = "next terminator"


def controls(layers: pl.DataFrame, found: pl.DataFrame) -> Figure:
    """A row a model, a mark for each kind of token in the place of the first terminator."""
    at = found.select("model", pl.col("layer"))
    rows = layers.join(at, on=["model", "layer"]).sort("model", "mark")
    marks = rows.filter(pl.col("mark").is_in(list(KINDS))).select(
        "model", "layer", kind=pl.col("mark").replace_strict(KINDS), value="second_sink"
    )
    following = rows.filter(pl.col("mark") == OWN).select(
        "model", "layer", kind=pl.lit(NEXT), value="next_terminator"
    )
    drawn = rounded(pl.concat([marks, following]).drop_nulls("value"))
    names = found["model"].to_list()
    labels = {
        "full stop": (CLASS_COLOURS["terminator"], "circle"),
        "exclamation mark": ("#cc79a7", "triangle-up"),
        "question mark": ("#009e73", "triangle-down"),
        NEXT: (CLASS_COLOURS["cls"], "square"),
        "comma": (CLASS_COLOURS["punctuation"], "cross"),
    }
    colours, shapes = zip(*labels.values(), strict=True)
    y = alt.Y("model:N", title=None, sort=names)
    chart = (
        alt.Chart(data_source(drawn), width=520, height=34 * len(names))
        .mark_point(filled=True, size=80, opacity=0.85)
        .encode(
            x=alt.X("value:Q", title="attention of later queries").scale(zero=True, nice=True),
            y=y.axis(labelFontSize=12, grid=True, tickBand="center"),
            color=alt.Color("kind:N", title=None).scale(domain=list(labels), range=list(colours)),
            shape=alt.Shape("kind:N", title=None).scale(domain=list(labels), range=list(shapes)),
            tooltip=[
                alt.Tooltip("model:N"),
                alt.Tooltip("layer:Q"),
                alt.Tooltip("kind:N", title="in its place"),
                alt.Tooltip("value:Q", format=".4f"),
            ],
        )
    )
    return Figure(
        name="second_sink_controls",
        title="Does it take a terminator, and the first one?",
        finding=against_comma(drawn),
        caption=(
            "The same texts with the first terminator exchanged, as a token, for each mark; every "
            "other token stays what and where it is. Square: the next terminator of the text as it "
            f"is. Formula: {FORMULA}, in the layer of each model where the text's own first "
            "terminator gets most. Mean over heads, queries and documents; n = "
            f"{words.ranged(layers['n_documents'].to_list())} documents. Unit: part of 1, linear "
            "scale, which does not end at 1."
        ),
        chart=chart,
        data=drawn,
    )


def against_comma(drawn: pl.DataFrame) -> str:
    wide = drawn.pivot("kind", index=["model", "layer"], values="value")
    for name in ("full stop", "comma", NEXT):
        if name not in wide.columns:
            wide = wide.with_columns(pl.lit(None, pl.Float64).alias(name))
    full = pl.col("full stop")
    both, later = wide.drop_nulls(["full stop", "comma"]), wide.drop_nulls(["full stop", NEXT])
    parts = []
    if both.height:
        n = both.filter(full > pl.col("comma")).height
        ordered = both.sort(full / pl.col("comma"), descending=True, nulls_last=True)
        row = ordered.row(0, named=True)
        parts.append(
            f"a full stop gets more than a comma in its place in {n} of "
            f"{words.counted(both.height, 'model')}, in {row['model']} "
            f"{row['full stop']:.3f} against {row['comma']:.3f}"
        )
    if later.height:
        n = later.filter(full > pl.col(NEXT)).height
        parts.append(f"more than the next terminator in {n} of {later.height}")
    return words.joined(parts) if parts else "No document has such tokens."
