"""Measures of the second sink.

They need a layer with a second sink (is_second_sink of the table second_sink_layers). Without one,
a claim about the second sink does not hold.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from sinkscope import intervals
from sinkscope.claims.measure import (
    AGGREGATES,
    AbsentError,
    Estimate,
    Measure,
    Tables,
    aggregated,
    estimate,
    in_layers,
    number,
    over,
    per_document,
    shown,
)
from sinkscope.experiments.second_sink.constants import OWN
from sinkscope.experiments.second_sink.derive import expected, profile

TERMINATORS = (".", "!", "?")
# Smallest cosine of a near copy, between the states of the first terminator and of key 0.
NEAR_COPY = 0.9


def second_sink_rows(
    tables: Tables, model: str, layers: Sequence[int] | str = "all"
) -> pl.DataFrame:
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
    if own.is_empty():
        return None
    _, values = per_document(own, ["layer"], columns)
    return [intervals.means(array) for array in values], own["document"].n_unique()


def second_sink(
    tables: Tables, model: str, *, column: str, layers: Sequence[int] | str,
    aggregate: str = "mean",
) -> float | Estimate | None:  # fmt: skip
    """A column of second_sink_layers over these layers, at least one with a second sink. A
    comparison of pairs of documents (convergence) has no interval."""
    rows = second_sink_rows(tables, model, layers)
    whole = number(rows, aggregated(column, aggregate))
    columns = ["second_sink", "first_token"] if column == "ratio" else [column]
    if whole is None or (by_document := resampled_layers(tables, model, rows, columns)) is None:
        return whole
    arrays, n_documents = by_document
    return estimate(over(aggregate, arrays[0] / arrays[1] if column == "ratio" else arrays[0]),
                    n_documents)  # fmt: skip


def second_sink_contrast(tables: Tables, model: str) -> float | Estimate | None:
    """Attention to the first terminator over attention to the next one, in the layer with the most
    attention to the first."""
    strongest = second_sink_rows(tables, model).sort(
        "second_sink", "layer", descending=[True, False]
    )
    whole = number(strongest, pl.col("second_sink").first() / pl.col("next_terminator").first())
    columns = ["second_sink", "next_terminator"]
    by_document = resampled_layers(tables, model, strongest.head(1), columns)
    if whole is None or by_document is None:
        return whole
    (first, following), n_documents = by_document
    return estimate(first[:, 0] / following[:, 0], n_documents)


def second_sink_marks(tables: Tables, model: str) -> float | None:
    """Number of marks among . ? ! that become a second sink in some layer, at the same position."""
    rows = tables["second_sink_layers"].filter(pl.col("model") == model)
    rows = rows.filter(pl.col("mark").is_in(TERMINATORS)).drop_nulls("second_sink")
    if rows["mark"].n_unique() < len(TERMINATORS):
        return None
    return float(rows.filter("is_second_sink")["mark"].n_unique())


def near_copy_layer(tables: Tables, model: str, *, end: str) -> float | Estimate | None:
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


def naive_drop(tables: Tables, model: str) -> float | Estimate | None:
    """Drop of local attention after the second sink, as a fraction of the drop on the naive line of
    the report's section: 1 on the line, below 1 above it, 0 without a drop."""
    if second_sink_rows(tables, model).is_empty():
        return None
    of_model = pl.col("model") == model
    local, layers = (
        tables[name].filter(of_model) for name in ("second_sink_local", "second_sink_layers")
    )
    rows = expected(profile(local, layers))
    if rows.is_empty():
        return None
    columns = ["local_before", "local_after", "factor"]
    _, arrays = per_document(rows, ["model"], columns)
    before, after, factor = (intervals.means(array)[:, 0] for array in arrays)
    return estimate((before / after - 1) / (factor - 1), rows.height)


def second_sink_queries(
    tables: Tables, model: str, *, layers: Sequence[int] | str
) -> float | Estimate | None:
    """Fraction of the queries after the second sink that give it at least the threshold of a second
    sink, in these layers."""
    if second_sink_rows(tables, model, layers).is_empty():
        return None
    threshold = tables["second_sink_layers"].filter(model=model)["threshold"][0]
    rows = in_layers(tables["second_sink_local"].filter(model=model), layers)
    later = rows.filter(pl.col("query") > pl.col("key"))
    if later.is_empty():
        return None
    given = later.with_columns(given=(pl.col("second_sink") >= threshold).cast(pl.Float64))
    _, (values,) = per_document(given, ["model"], ["given"])
    return estimate(intervals.means(values)[:, 0], len(values))


def naive_factor(
    tables: Tables, model: str, *, layers: Sequence[int] | str
) -> float | Estimate | None:
    """The factor by which all other attention would shrink after the second sink, if logits stayed
    as they are: 1 + ratio of the sinks x attention of the first sentence on key 0."""
    rows = second_sink_rows(tables, model, layers)
    columns = ["second_sink", "first_token", "first_token_before"]
    if rows.is_empty() or (found := resampled_layers(tables, model, rows, columns)) is None:
        return None
    (second, first, before), n_documents = found
    return estimate(1 + over("mean", second / first * before), n_documents)


def local_weight(
    tables: Tables, model: str, *, layers: Sequence[int] | str
) -> float | Estimate | None:
    """Attention per key at most 5 tokens before a query (6 keys), mean over the queries between the
    first of them and the second sink."""
    if second_sink_rows(tables, model, layers).is_empty():
        return None
    rows = in_layers(tables["second_sink_local"].filter(model=model), layers)
    before = rows.filter(pl.col("query") > 5, pl.col("query") < pl.col("key"))
    if before.is_empty():
        return None
    _, (values,) = per_document(before, ["model"], ["local"])
    return estimate(intervals.means(values)[:, 0] / 6, len(values))


LAYERS = ("second_sink_layers",)

MEASURES = {
    "second_sink": Measure(
        second_sink,
        "second sink",
        LAYERS,
        False,
        {"aggregate": AGGREGATES},
        columns_of="second_sink_layers",
    ),
    "second_sink_contrast": Measure(
        second_sink_contrast, "second sink over the next terminator", LAYERS, False
    ),
    "second_sink_marks": Measure(
        second_sink_marks, "terminators that become a second sink", LAYERS, False
    ),
    "near_copy_layer": Measure(
        near_copy_layer,
        "layer that a near copy of the first token's state enters",
        LAYERS,
        False,
        {"end": ("first", "last")},
    ),
    "second_sink_queries": Measure(
        second_sink_queries,
        "queries that attend to the second sink",
        (*LAYERS, "second_sink_local"),
    ),
    "naive_factor": Measure(
        naive_factor, "naive drop of attention", (*LAYERS, "second_sink"), False
    ),
    "local_weight": Measure(
        local_weight, "attention per neighbouring key", (*LAYERS, "second_sink_local")
    ),
    "naive_drop": Measure(
        naive_drop,
        "drop of local attention over the naive drop",
        (*LAYERS, "second_sink_local"),
        False,
    ),
}
