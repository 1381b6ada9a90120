"""Measures of sink mass, and of the rate of sinks."""

from typing import Any

import numpy as np
import polars as pl

from sinkscope import intervals
from sinkscope.claims.measure import (
    AGGREGATES,
    AbsentError,
    Layers,
    Number,
    Tables,
    estimate,
    in_layers,
    measure,
    number,
    over,
    per_document,
    rows_of,
    shown,
)
from sinkscope.keys import KEY_SETS

# Smallest attention (mean over queries and heads) of a key set that is a sink of a layer.
SINK = 0.1
LEGAL: dict[str, Any] = {
    "key_set": KEY_SETS,
    "without": KEY_SETS,
    "over_documents": AGGREGATES,
    "over_layers": AGGREGATES,
}


def masses(tables: Tables, model: str, key_set: str, *, without: str | None = None) -> pl.DataFrame:
    """The table sink_mass of a model and key set: documents that have keys of the set, and none of
    the set `without`. Raises ValueError for an unknown key set."""
    for name in (key_set, without or key_set):
        if name not in KEY_SETS:
            raise ValueError(f"no key set '{name}'; they are {', '.join(KEY_SETS)}")

    def with_keys(of_set: str) -> pl.DataFrame:
        where = (pl.col("n_keys") > 0) & (pl.col("key_set") == of_set)
        return rows_of(tables, "sink_mass", model, ["document", "layer", "mass"], where)

    rows = with_keys(key_set)
    if without:
        present = with_keys(without)["document"].unique()
        rows = rows.filter(~pl.col("document").is_in(present.implode()))
    return rows


def by_layer(rows: pl.DataFrame, over_documents: str) -> tuple[np.ndarray, list[int]]:
    """[1 + RESAMPLES, layer]: mass over the documents of each resample; and the layers. Means and
    medians are resampled. Minimum and maximum over documents are not resampled: every row is that
    of the sample."""
    layers, (values,) = per_document(rows, ["layer"], ["mass"])
    if over_documents == "mean":
        resampled = intervals.means(values)
    elif over_documents == "median":
        resampled = np.stack([intervals.medians(column[:, None]) for column in values.T], 1)
    else:
        extremes = {"min": np.nanmin, "max": np.nanmax}[over_documents](values, axis=0)
        resampled = np.tile(extremes, (1 + intervals.RESAMPLES, 1))
    return resampled, layers["layer"].to_list()


def estimated(resampled: np.ndarray, rows: pl.DataFrame, over_documents: str) -> Number:
    """An Estimate; it has an interval if it is a mean or median over documents of these rows."""
    if over_documents in ("mean", "median"):
        return estimate(resampled, rows["document"].n_unique())
    return float(resampled[0])


@measure("sink mass", "sink_mass", **LEGAL)
def mass(
    tables: Tables, model: str, *, key_set: str, layers: Layers = "all",
    over_documents: str = "mean", over_layers: str = "mean", without: str | None = None,
) -> Number:  # fmt: skip
    """Sink mass of a key set, aggregated over documents per layer, then over these layers. Only of
    documents without keys of the set `without`."""
    rows = masses(tables, model, key_set, without=without)
    rows = in_layers(rows, layers).drop_nulls("mass")
    if rows.is_empty():
        return None
    resampled, _ = by_layer(rows, over_documents)
    return estimated(over(over_layers, resampled), rows, over_documents)


@measure("sink mass, as a fraction", "sink_mass", is_part=False, **LEGAL)
def mass_left(
    tables: Tables, model: str, *, key_set: str, layers: Layers, of_layers: Layers,
    over_documents: str = "mean",
) -> Number:  # fmt: skip
    """Mean sink mass in `layers` as a fraction of that in `of_layers`, where the set is a sink."""
    rows = masses(tables, model, key_set).drop_nulls("mass")
    parts = [in_layers(rows, where) for where in (layers, of_layers)]
    if any(part.is_empty() for part in parts):
        return None
    left, whole = (over("mean", by_layer(part, over_documents)[0]) for part in parts)
    if whole[0] < SINK:
        raise AbsentError(
            f"The key set {key_set} is not a sink of {model} in {shown(of_layers)}: its mass "
            f"there is {whole[0]:.3f}, below {SINK}."
        )
    return estimated(divided(left, whole), rows, over_documents)


def divided(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """NaN where below is 0."""
    return np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)


@measure("first layer with half of the strongest sink mass", "sink_mass", is_part=False, **LEGAL)
def half_peak_layer(tables: Tables, model: str, *, key_set: str) -> Number:
    """First layer whose sink mass is at least half of the largest."""
    rows = masses(tables, model, key_set).drop_nulls("mass")
    if rows.is_empty():
        return None
    resampled, layers = by_layer(rows, "mean")
    peaks = resampled.max(1, keepdims=True)
    if peaks[0, 0] < SINK:
        raise AbsentError(
            f"The key set {key_set} is not a sink of {model}: its largest mass is "
            f"{peaks[0, 0]:.3f}, below {SINK}."
        )
    first = np.array(layers, dtype=float)[(resampled >= peaks / 2).argmax(1)]
    return estimate(first, rows["document"].n_unique())


@measure("share of heads with a sink", "sink_rate")
def sink_rate(tables: Tables, model: str, *, window: int | None) -> Number:
    """Fraction of heads whose sink score at key 0 is above epsilon, over all layers and the
    documents that have a score there. window: None for whole documents."""
    place = (
        pl.col("window").eq_missing(window), pl.col("model") == model,
        pl.col("key_set") == "first_token",
    )  # fmt: skip
    if "sink_rate_documents" in tables:
        scored = rows_of(tables, "sink_rate_documents", model, where=pl.all_horizontal(place))
        rows = scored.group_by("document").agg(pl.col("n_above", "n_heads").sum())
        if rows.is_empty():
            return None
        above, heads = (
            rows.sort("document").select(pl.col(name).cast(pl.Float64)).to_numpy()
            for name in ("n_above", "n_heads")
        )
        return estimate(intervals.ratios(above, heads)[:, 0], rows.height)
    rows, n = tables["sink_rate"].filter(*place), pl.col("n_documents")
    return number(rows.drop_nulls("rate"), (pl.col("rate") * n).sum() / n.sum())
