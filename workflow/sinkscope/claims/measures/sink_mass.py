"""Measures of sink mass, and of the rate of sinks."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from sinkscope.claims.measure import (
    AbsentError,
    Measure,
    Tables,
    aggregated,
    in_layers,
    number,
    shown,
)
from sinkscope.keys import KEY_SETS

# Smallest attention (mean over queries and heads) of a key set that is a sink of a layer.
SINK = 0.1


def masses(tables: Tables, model: str, key_set: str, over_documents: str) -> pl.DataFrame:
    """layer, mass over the documents that have keys of the set. Raises ValueError for an unknown
    key set."""
    if key_set not in KEY_SETS:
        raise ValueError(f"no key set '{key_set}'; they are {', '.join(KEY_SETS)}")
    rows = tables["sink_mass"].filter(pl.col("n_keys") > 0, model=model, key_set=key_set)
    by_layer = rows.group_by("layer", maintain_order=True)
    return by_layer.agg(aggregated("mass", over_documents)).sort("layer")


def mass(
    tables: Tables, model: str, *, key_set: str, layers: Sequence[int] | str = "all",
    over_documents: str = "mean", over_layers: str = "mean",
) -> float | None:  # fmt: skip
    """Sink mass of a key set, aggregated over documents per layer, then over these layers."""
    by_layer = in_layers(masses(tables, model, key_set, over_documents), layers)
    return number(by_layer, aggregated("mass", over_layers))


def mass_left(
    tables: Tables, model: str, *, key_set: str, layers: Sequence[int] | str,
    of_layers: Sequence[int] | str, over_documents: str = "mean",
) -> float | None:  # fmt: skip
    """Mean sink mass in `layers` as a fraction of that in `of_layers`, where the set is a sink."""
    by_layer = masses(tables, model, key_set, over_documents)
    left, whole = (
        number(in_layers(by_layer, where), pl.col("mass").mean()) for where in (layers, of_layers)
    )
    if left is None or whole is None:
        return None
    if whole < SINK:
        raise AbsentError(
            f"The key set {key_set} is not a sink of {model} in {shown(of_layers)}: its mass "
            f"there is {whole:.3f}, below {SINK}."
        )
    return left / whole


def half_peak_layer(tables: Tables, model: str, *, key_set: str) -> float | None:
    """First layer whose sink mass is at least half of the largest."""
    by_layer, peak = masses(tables, model, key_set, "mean"), pl.col("mass").max()
    if (most := number(by_layer, peak)) is not None and most < SINK:
        raise AbsentError(
            f"The key set {key_set} is not a sink of {model}: its largest mass is {most:.3f}, "
            f"below {SINK}."
        )
    return number(by_layer, pl.col("layer").filter(pl.col("mass") >= peak / 2).min())


def sink_rate(tables: Tables, model: str, *, window: int) -> float | None:
    """Fraction of heads whose sink score at key 0 is above epsilon, over all layers and the
    documents that have a score there."""
    rows = tables["sink_rate"].filter(model=model, key_set="first_token", window=window)
    n = pl.col("n_documents")
    return number(rows.drop_nulls("rate"), (pl.col("rate") * n).sum() / n.sum())


MEASURES = {
    "mass": Measure(mass, "sink mass", ("sink_mass",)),
    "mass_left": Measure(mass_left, "sink mass, as a fraction", ("sink_mass",), False),
    "half_peak_layer": Measure(
        half_peak_layer, "first layer with half of the strongest sink mass", ("sink_mass",), False
    ),
    "sink_rate": Measure(sink_rate, "share of heads with a sink", ("sink_rate",)),
}
