"""The second sink's residual state: like that of key 0? alike in all documents?"""

from __future__ import annotations

import math

import altair as alt
import polars as pl

from sinkscope.charts import words
from sinkscope.charts.figure import Figure
from sinkscope.charts.palette import CLASS_COLOURS, HEAT_STOPS
from sinkscope.charts.panels import Look, layer_panels, long
from sinkscope.charts.theme import data_source, limits, rounded
from sinkscope.reduce.second_sink import OWN

STATE = "The state of a layer is the one that enters it"
COMMA = "a comma in its place"
TO_FIRST: dict[str, Look] = {
    "first terminator": (CLASS_COLOURS["terminator"], (1, 0)),
    COMMA: (CLASS_COLOURS["punctuation"], (2, 2)),
    "median of all other tokens": (CLASS_COLOURS["word"], (6, 3)),
}
ACROSS: dict[str, Look] = {
    "first terminator": (CLASS_COLOURS["terminator"], (1, 0)),
    "always a full stop": (CLASS_COLOURS["cls"], (6, 3)),
    COMMA: (CLASS_COLOURS["punctuation"], (2, 2)),
}


def figures(layers: pl.DataFrame, pairs: pl.DataFrame) -> list[Figure]:
    """layers: second_sink_layers. pairs: second_sink_states."""
    found = [to_first(layers)]
    if layers["convergence"].drop_nulls().len():
        found += [across(layers), matrix(pairs)]
    return found


def cosines(drawn: pl.DataFrame) -> alt.Scale:
    """From 0, or from the lowest tenth that is drawn, to 1."""
    lowest = math.floor(min(0.0, limits(drawn["value"])[0]) * 10) / 10
    return alt.Scale(domain=[lowest, 1], nice=False)


def to_first(layers: pl.DataFrame) -> Figure:
    by = ["model", "layer"]
    own, comma = (layers.filter(pl.col("mark") == mark) for mark in (OWN, ","))
    columns = {"cosine": "first terminator", "cosine_others": "median of all other tokens"}
    parts = [long(own, columns, by), long(comma, {"cosine": COMMA}, by)]
    drawn = rounded(pl.concat(parts).sort(*by, "line"))
    y = alt.Y("value:Q", title="cosine to the first token", scale=cosines(drawn))
    return Figure(
        name="second_sink_states",
        title="How like the first token's state that of the first terminator is",
        finding=nearest(own, comma),
        caption=(
            "Formula: cosine of the residual states of the first terminator and of key 0. "
            f"{STATE}: its queries, keys and values are made of it. Mean over n = "
            f"{words.ranged(layers['n_documents'].to_list())} documents with later queries, and "
            "those without. The distance of the two as unit vectors, sqrt(2 - 2 cosine), is in the "
            "table second_sink. Unit: cosine, linear scale. Layers count from 0."
        ),
        chart=layer_panels(drawn, y, TO_FIRST),
        data=drawn,
    )


def nearest(own: pl.DataFrame, comma: pl.DataFrame) -> str:
    order = ["unit_distance", "model", "layer"]
    closest = own.drop_nulls("unit_distance").sort(order)
    row = closest.row(0, named=True)
    same = comma.filter(pl.col("model") == row["model"], pl.col("layer") == row["layer"])
    text = (
        f"Nearest to the first token's state is the first terminator's in layer {row['layer']} of "
        f"{row['model']}: cosine {row['cosine']:.3f}, unit-vector distance "
        f"{row['unit_distance']:.2f}"
    )
    others = f"; other tokens there have {row['cosine_others']:.3f}"
    if same.height:
        others += f", a comma in its place {same['cosine'][0]:.3f}"
    return f"{text}{others}."


def across(layers: pl.DataFrame) -> Figure:
    by = ["model", "layer"]
    marks = dict(zip((OWN, ".", ","), ACROSS, strict=True))
    parts = [
        long(layers.filter(pl.col("mark") == mark), {"convergence": name}, by)
        for mark, name in marks.items()
    ]
    drawn = rounded(pl.concat(parts).sort(*by, "line"))
    y = alt.Y("value:Q", title="cosine across documents", scale=cosines(drawn))
    return Figure(
        name="second_sink_convergence",
        title="How alike the first terminator's state is in all documents",
        finding=converged(layers),
        caption=(
            "Formula: mean over all pairs of documents of the cosine of the states of their first "
            f"terminators. {STATE}. Dashed: with the same mark, a full stop or a comma, in its "
            "place in every document. n = "
            f"{words.counted(n_converging(layers), 'document')} with a sentence that ends. "
            "Unit: cosine, linear scale. Layers count from 0."
        ),
        chart=layer_panels(drawn, y, ACROSS),
        data=drawn,
    )


def n_converging(layers: pl.DataFrame) -> int:
    return int(layers.select(pl.col("n_states").max()).item())


def converged(layers: pl.DataFrame) -> str:
    wide = layers.filter(pl.col("mark").is_in([OWN, ".", ","])).pivot(
        "mark", index=["model", "layer"], values="convergence"
    )
    own = wide.drop_nulls(OWN).sort(OWN, "model", "layer", descending=[True, False, False])
    row = own.row(0, named=True)
    text = (
        f"Across documents the first terminator's state is most alike in layer {row['layer']} of "
        f"{row['model']} (mean cosine {row[OWN]:.3f})"
    )
    if not {".", ","} <= set(wide.columns):
        return f"{text}."
    # The embedding of the very same token is the same: only later layers can tell.
    last = wide.drop_nulls([".", ","]).sort("layer").group_by("model", maintain_order=True).last()
    more = last.filter(pl.col(".") > pl.col(",")).height
    return (
        f"{text}; in the last layer full stops are more alike than commas in their place in "
        f"{more} of {words.counted(last.height, 'model')}."
    )


def matrix(pairs: pl.DataFrame) -> Figure:
    """A panel a model, documents by documents, in the middle of the third quarter of layers."""
    n_layers = pl.col("layer").max().over("model").cast(pl.Int64) + 1
    drawn = rounded(
        pairs.filter(pl.col("layer") == 5 * n_layers // 8).sort("model", "document", "other")
    )
    side = max(90, min(200, 16 * drawn["document"].n_unique()))
    scale = alt.Scale(domain=[0, 1], range=list(HEAT_STOPS), interpolate="rgb", clamp=True)
    axis = alt.Axis(labels=False, ticks=False, domain=False)
    cells = (
        alt.Chart(width=side, height=side)
        .mark_rect()
        .encode(
            x=alt.X("other:O", title="document", axis=axis),
            y=alt.Y("document:O", title="document", axis=axis),
            color=alt.Color(
                "cosine:Q", scale=scale, title="cosine (linear; below 0 as 0)",
                legend=alt.Legend(gradientLength=200, values=[0, 0.5, 1], format=".1f"),
            ),
            tooltip=[
                alt.Tooltip("model:N"),
                alt.Tooltip("layer:O"),
                alt.Tooltip("document:N"),
                alt.Tooltip("other:N", title="and"),
                alt.Tooltip("cosine:Q", format=".4f"),
            ],
        )
    )  # fmt: skip
    least = drawn.filter(pl.col("document") != pl.col("other")).sort("cosine", "model").head(1)
    row = least.row(0, named=True)
    return Figure(
        name="second_sink_matrix",
        title="The first terminator's state, document by document",
        finding=(
            f"Least alike are the first terminators of {row['document']} and {row['other']} in "
            f"{row['model']}, with a cosine of {row['cosine']:.3f} in layer {row['layer']}."
        ),
        caption=(
            "Formula: cosine of the states of the first terminators of two documents, in the layer "
            f"in the middle of the third quarter of each model. {STATE}. "
            f"n = {words.counted(drawn['document'].n_unique(), 'document')}, in alphabetical "
            "order. Unit: cosine, linear scale."
        ),
        chart=cells.facet(
            facet=alt.Facet("model:N", title=None), columns=4, data=data_source(drawn), spacing=16
        ),
        data=drawn,
    )
