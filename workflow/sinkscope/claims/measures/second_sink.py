"""Measures of the second sink.

They need a layer with a second sink (is_second_sink of the table second_sink_layers). Without one,
a claim about the second sink does not hold.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from sinkscope.claims.measure import (
    AGGREGATES,
    AbsentError,
    Layers,
    Number,
    Tables,
    aggregated,
    estimate,
    in_layers,
    mean_of,
    measure,
    number,
    over,
    resampled,
    shown,
)
from sinkscope.experiments.second_sink.constants import OWN
from sinkscope.experiments.second_sink.derive import expected, profile

TERMINATORS = (".", "!", "?")
# Smallest cosine of a near copy, between the states of the first terminator and of key 0.
NEAR_COPY = 0.9


def second_sink_rows(tables: Tables, model: str, layers: Layers = "all") -> pl.DataFrame:
    """Rows of second_sink_layers for the unchanged texts, in these layers. Raises AbsentError if
    there are rows, but none of them has a second sink."""
    rows = tables["second_sink_layers"].filter(model=model, mark=OWN).drop_nulls("second_sink")
    rows = in_layers(rows, layers)
    if rows.height and not rows["is_second_sink"].any():
        most, threshold = number(rows, pl.col("second_sink").max()), rows["threshold"][0]
        raise AbsentError(
            f"{model} has no second sink in {shown(layers)}: the first terminator gets at most "
            f"{most:.3f} of the attention of later queries, below {threshold:g}."
        )
    return rows


def resampled_layers(
    tables: Tables, model: str, rows: pl.DataFrame, columns: Sequence[str]
) -> tuple[list[np.ndarray], int] | None:
    """[1 + RESAMPLES, layer] of each column of the table second_sink: its means over the documents
    of each resample, in the layers of these rows; and the number of documents. None if the run does
    not have them by document."""
    documents = tables.get("second_sink")
    if documents is None or not set(columns) <= set(documents.columns):
        return None
    own = documents.filter(pl.col("is_own"), model=model)
    own = own.join(rows.select(pl.col("layer").cast(own.schema["layer"])), on="layer")
    return resampled(own, ["layer"], columns)


@measure(
    "second sink",
    "second_sink_layers",
    is_part=False,
    columns_of="second_sink_layers",
    aggregate=AGGREGATES,
)
def second_sink(
    tables: Tables, model: str, *, column: str, layers: Layers, aggregate: str = "mean"
) -> Number:
    """A column of second_sink_layers over these layers, at least one with a second sink. A
    comparison of pairs of documents (convergence) has no interval."""
    rows = second_sink_rows(tables, model, layers)
    whole = number(rows, aggregated(column, aggregate))
    columns = ["second_sink", "first_token"] if column == "ratio" else [column]
    if whole is None or (by_document := resampled_layers(tables, model, rows, columns)) is None:
        return whole
    (array, *below), n_documents = by_document
    return estimate(over(aggregate, array / below[0] if below else array), n_documents)


@measure("second sink over the next terminator", "second_sink_layers", is_part=False)
def second_sink_contrast(tables: Tables, model: str) -> Number:
    """Attention to the first terminator over attention to the next one, in the layer with the most
    attention to the first."""
    rows = second_sink_rows(tables, model)
    strongest = rows.sort("second_sink", "layer", descending=[True, False])
    whole = number(strongest, pl.col("second_sink").first() / pl.col("next_terminator").first())
    columns = ["second_sink", "next_terminator"]
    by_document = resampled_layers(tables, model, strongest.head(1), columns)
    if whole is None or by_document is None:
        return whole
    (first, following), n_documents = by_document
    return estimate(first[:, 0] / following[:, 0], n_documents)


@measure("terminators that become a second sink", "second_sink_layers", is_part=False)
def second_sink_marks(tables: Tables, model: str) -> Number:
    """Number of marks among . ? ! that become a second sink in some layer, at the same position."""
    rows = tables["second_sink_layers"].filter(pl.col("model") == model)
    rows = rows.filter(pl.col("mark").is_in(TERMINATORS)).drop_nulls("second_sink")
    if rows["mark"].n_unique() < len(TERMINATORS):
        return None
    return float(rows.filter("is_second_sink")["mark"].n_unique())


@measure(
    "layer that a near copy of the first token's state enters",
    "second_sink_layers",
    is_part=False,
    end=("first", "last"),
)
def near_copy_layer(tables: Tables, model: str, *, end: str) -> Number:
    """First or last layer whose input state at the second sink is a near copy of key 0's."""
    rows = second_sink_rows(tables, model)
    most = number(rows, pl.col("cosine").max())
    if most is not None and most < NEAR_COPY:
        raise AbsentError(
            f"The state of the second sink of {model} is in no layer a near copy of that of the "
            f"first token: the largest cosine is {most:.3f}, below {NEAR_COPY}."
        )
    ends = {"first": pl.col("layer").min(), "last": pl.col("layer").max()}
    whole = number(rows.filter(pl.col("cosine") >= NEAR_COPY), ends[end])
    by_document = resampled_layers(tables, model, rows, ["cosine"])
    if whole is None or by_document is None:
        return whole
    (cosines,), n_documents = by_document
    layers = np.where(cosines >= NEAR_COPY, rows["layer"].sort().to_numpy().astype(float), np.nan)
    known = ~np.isnan(layers).all(1)
    extremes = np.full(len(layers), np.nan)
    extremes[known] = {"first": np.nanmin, "last": np.nanmax}[end](layers[known], axis=1)
    return estimate(extremes, n_documents)


@measure(
    "drop of local attention over the naive drop",
    *("second_sink_layers", "second_sink_local"),
    is_part=False,
)
def naive_drop(tables: Tables, model: str) -> Number:
    """Drop of local attention after the second sink, as a fraction of the drop on the naive line of
    the report's section: 1 on the line, below 1 above it, 0 without a drop."""
    if second_sink_rows(tables, model).is_empty():
        return None
    local, layers = (
        tables[name].filter(model=model) for name in ("second_sink_local", "second_sink_layers")
    )
    columns = ["local_before", "local_after", "factor"]
    if (estimates := resampled(expected(profile(local, layers)), ["model"], columns)) is None:
        return None
    before, after, factor = (array[:, 0] for array in estimates[0])
    return estimate((before / after - 1) / (factor - 1), estimates[1])


@measure("queries that attend to the second sink", "second_sink_layers", "second_sink_local")
def second_sink_queries(tables: Tables, model: str, *, layers: Layers) -> Number:
    """Fraction of the queries after the second sink that give it at least the threshold of a second
    sink, in these layers."""
    if second_sink_rows(tables, model, layers).is_empty():
        return None
    threshold = tables["second_sink_layers"].filter(model=model)["threshold"][0]
    rows = in_layers(tables["second_sink_local"].filter(model=model), layers)
    later = rows.filter(pl.col("query") > pl.col("key"))
    given = later.with_columns(given=(pl.col("second_sink") >= threshold).cast(pl.Float64))
    return mean_of(given, ["model"], "given")


@measure("naive drop of attention", "second_sink_layers", "second_sink", is_part=False)
def naive_factor(tables: Tables, model: str, *, layers: Layers) -> Number:
    """The factor by which all other attention would shrink after the second sink, if logits stayed
    as they are: 1 + ratio of the sinks x attention of the first sentence on key 0."""
    rows = second_sink_rows(tables, model, layers)
    columns = ["second_sink", "first_token", "first_token_before"]
    if rows.is_empty() or (estimates := resampled_layers(tables, model, rows, columns)) is None:
        return None
    (second, first, before), n_documents = estimates
    return estimate(1 + over("mean", second / first * before), n_documents)


@measure("attention per neighbouring key", "second_sink_layers", "second_sink_local")
def local_weight(tables: Tables, model: str, *, layers: Layers) -> Number:
    """Attention per key at most 5 tokens before a query (6 keys), mean over the queries between the
    first of them and the second sink."""
    if second_sink_rows(tables, model, layers).is_empty():
        return None
    rows = in_layers(tables["second_sink_local"].filter(model=model), layers)
    before = rows.filter(pl.col("query") > 5, pl.col("query") < pl.col("key"))
    return mean_of(before.with_columns(pl.col("local") / 6), ["model"], "local")
