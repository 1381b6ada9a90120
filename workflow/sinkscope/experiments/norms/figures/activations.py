"""Massive activations: the largest entries of residual states."""

from typing import Any

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.lines import Look, mean_panels
from sinkscope.charts.of_documents import behind, with_documents
from sinkscope.charts.select import documents_in, in_most_documents
from sinkscope.charts.theme import ALL_DOCUMENTS
from sinkscope.experiments.norms.constants import MASSIVE, TIMES_MEDIAN
from sinkscope.findings.finding import Finding
from sinkscope.means import over_documents

LOOKS: dict[str, Look] = {
    "largest": ("#d55e00", (1, 0)),
    "limit": ("#8a8f98", (6, 3)),
    "median": ("#0072b2", (2, 2)),
}
SIZE = pl.col("activation").abs()
WHERE = (
    "{% for row in massive %}"
    "{% if loop.first %}"
    "{{ n_massive }} of {{ n_models|counted('model') }} {{ 'have' if n_massive > 1 else 'has' }} "
    "massive activations in most documents: "
    "{% else %}; {% endif %}"
    "in {{ row.model }} dimension{{ 's' if row.n_dimensions > 1 }} "
    "{{ dimensions|selectattr('model', 'eq', row.model)|phrased('{dimension}')|listed }}"
    "{% if row.n_more %} and {{ row.n_more }} more{% endif %}"
    ", layers {{ row.first_layer }} to {{ row.last_layer }}, {{ row.at_first_token|percent }} of "
    "them at the first token, up to {{ row.largest|decimals(0) }} "
    "({{ row.k }} of {{ row.n|counted('document') }}){{ '.' if loop.last }}"
    "{% else %}"
    "{% set row = largest[0] %}"
    "No massive activations in most documents of {{ without|names|models_or_number }}; the largest "
    "entry relative to its layer's median is {{ row.size|decimals(0) }}, in layer {{ row.layer }} "
    "of {{ row.model }} "
    "({{ row.times_median|times(0) }} the median)."
    "{% endfor %}"
)


def figure(tables: Tables) -> Figure | None:
    activations = tables["activations"]
    if activations.is_empty():
        return None
    drawn = lines_of(activations, tables["documents"])
    n_documents = activations["document"].n_unique()
    y = alt.Y("value:Q", title="magnitude", scale=alt.Scale(type="log"))
    return Figure(
        name="norms_activations",
        title="Massive activations",
        finding=Finding(WHERE, facts(activations)),
        caption=(
            "The largest magnitude |x| among all entries of the residual states that enter a "
            "layer (largest over documents), and the median of all (mean over documents; "
            f"{behind(drawn, n_documents)}). Massive, after Sun et al. "
            f"2024: over {MASSIVE:g} and over {TIMES_MEDIAN:g} times the median (dashed: the "
            "limit). All of them, with dimension and token, are in the table activations. n = "
            f"{documents_in(tables['norm_weighted'])}. Unit: magnitude, logarithmic scale. Layers "
            "count from 0."
        ),
        chart=mean_panels(drawn, y.axis(format="~g", tickCount=5), LOOKS),
        data=drawn,
    )


def lines_of(activations: pl.DataFrame, documents: pl.DataFrame) -> pl.DataFrame:
    """The largest magnitude of all documents, the mean over documents of their median with its
    interval, the resulting limit, and the documents."""
    by, median = ["model", "layer"], pl.col("median")
    rows = activations.group_by("document", *by).agg(largest=SIZE.max(), median=median.first())
    columns = [f"largest_{end}" for end in ("low", "high", "n")]
    largest = rows.group_by(by).agg(pl.col("largest").max())
    means = over_documents(rows, by, ["median"]).join(largest, on=by)
    means = means.with_columns(pl.lit(None).alias(name) for name in columns)
    limit = pl.max_horizontal(median * TIMES_MEDIAN, MASSIVE)
    limits = means.select(*by, line=pl.lit("limit"), document=pl.lit(ALL_DOCUMENTS), value=limit)
    drawn = with_documents(means, rows, by, {n: n for n in ("largest", "median")}, documents)
    drawn = pl.concat([drawn, limits], how="diagonal_relaxed")
    return drawn.sort(*by, "line", maintain_order=True)


def facts(activations: pl.DataFrame) -> dict[str, Any]:
    """Facts: massive activations of the first models that have any in most documents, with their
    most frequent dimensions; the models without; and the entry that is largest relative to the
    median of its layer."""
    of_documents = activations.group_by("model", "document").agg(pl.col("is_massive").any())
    most = in_most_documents(of_documents, pl.col("is_massive"))
    massive = activations.filter("is_massive").join(most, on="model", how="semi")
    n_dimensions = pl.col("dimension").n_unique().cast(pl.Int64)
    models = massive.group_by("model").agg(
        n_dimensions=n_dimensions,
        n_more=(n_dimensions - words.FEW).clip(0),
        first_layer=pl.col("layer").min(),
        last_layer=pl.col("layer").max(),
        at_first_token=(pl.col("position") == 0).mean(),
        largest=SIZE.max(),
    )
    shown = models.join(most, on="model").sort("model").head(words.FEW)
    dimensions = (
        massive.join(shown, on="model", how="semi")
        .group_by("model", "dimension")
        .len()
        .sort("model", "len", "dimension", descending=[False, True, False])
        .group_by("model", maintain_order=True)
        .head(words.FEW)
    )
    names = activations.select("model").unique().sort("model")
    largest = activations.select(
        "model", "layer", size=SIZE, times_median=SIZE / pl.col("median")
    ).sort("times_median", "model", "layer", descending=[True, False, False])
    return {
        "n_models": names.height,
        "n_massive": models.height,
        "massive": shown.to_dicts(),
        "dimensions": dimensions.select("model", "dimension").to_dicts(),
        "without": names.join(models, on="model", how="anti").to_dicts(),
        "largest": largest.head(1).to_dicts(),
    }
