"""Measures of single heads: local attention, dormant heads, roles of sinks."""

from typing import Any

import numpy as np
import polars as pl

from sinkscope import intervals
from sinkscope.claims.measure import (
    Layers,
    Number,
    Tables,
    estimate,
    in_layers,
    mean_of,
    measure,
    number,
    over,
    per_document,
    resampled,
    rows_of,
)
from sinkscope.claims.measures.sink_mass import divided, masses
from sinkscope.keys import KEY_SETS, LOCAL_WIDTHS

WIDTHS = [f"local_{width}" for width in LOCAL_WIDTHS]
COLUMN: dict[str, Any] = {"column": (*WIDTHS, *(f"{name}_no_sinks" for name in WIDTHS))}


def heads_in(tables: Tables, model: str, column: str, layers: Layers) -> pl.DataFrame:
    """Rows of the table heads in these layers that have a value."""
    heads = rows_of(tables, "heads", model, ["document", "layer", "head", column])
    return in_layers(heads, layers).drop_nulls(column)


@measure("attention to neighbours", "heads", **COLUMN)
def local(tables: Tables, model: str, *, column: str, layers: Layers) -> Number:
    """Local attention, mean over heads and these layers."""
    return mean_of(heads_in(tables, model, column, layers), ["layer"], column)


@measure("attention to neighbours, as a fraction", "heads", is_part=False, **COLUMN)
def local_left(
    tables: Tables, model: str, *, column: str, layers: Layers, of_layers: Layers
) -> Number:
    """Local attention in `layers` as a fraction of that in `of_layers`."""
    both = [heads_in(tables, model, column, where) for where in (layers, of_layers)]
    left, whole = (resampled(rows, ["layer"], [column]) for rows in both)
    if left is None or whole is None:
        return None
    return estimate(over("mean", left[0][0]) / over("mean", whole[0][0]), left[1])


@measure(
    "attention to neighbours, as a fraction of what is not on the key set",
    *("heads", "sink_mass"),
    is_part=False,
    **COLUMN,
    key_set=KEY_SETS,
)
def local_of_rest(
    tables: Tables, model: str, *, key_set: str, column: str, layers: Layers
) -> Number:
    """Local attention as a fraction of the attention that is not on a key set."""
    estimates = resampled(heads_in(tables, model, column, layers), ["layer"], [column])
    rows = in_layers(masses(tables, model, key_set), layers).drop_nulls("mass")
    mass = resampled(rows, ["layer"], ["mass"])
    if estimates is None or mass is None or mass[1] != estimates[1]:
        return None
    return estimate(over("mean", estimates[0][0]) / (1 - over("mean", mass[0][0])), estimates[1])


def over_half(tables: Tables, model: str) -> np.ndarray:
    """[document, head]: fraction of the queries that give key 0 more than half."""
    rows = heads_in(tables, model, "over_half", "all")
    return per_document(rows, ["layer", "head"], ["over_half"])[1][0]


@measure("share of dormant heads", "heads")
def dormant_heads(tables: Tables, model: str) -> Number:
    """Fraction of the heads in which most queries give key 0 more than half of their attention
    (mean over documents)."""
    values = over_half(tables, model)
    if not values.size:
        return None
    return estimate((intervals.means(values) > 0.5).mean(1), len(values))


@measure("share of dormant heads that are active", "heads")
def varying_heads(tables: Tables, model: str) -> Number:
    """Fraction of these heads in which fewer than half of the queries of some document do."""
    values = over_half(tables, model)
    if not values.size:
        return None
    is_dormant = intervals.means(values) > 0.5  # [resample, head]
    is_drawn, is_low = intervals.draws(len(values)) > 0, values < 0.5
    varies = is_drawn.astype(np.float64) @ is_low > 0
    n_dormant, n_varying = is_dormant.sum(1), (is_dormant & varies).sum(1)
    return estimate(divided(n_varying, n_dormant), len(values))


@measure("entropy of the broadest head", "heads")
def broadest_head(tables: Tables, model: str, *, layers: Layers) -> Number:
    """Entropy of the head of these layers with the highest one (part of the maximum)."""
    rows = heads_in(tables, model, "entropy", layers)
    return mean_of(rows, ["layer", "head"], "entropy", "max")


@measure("roles of sinks", "head_roles", is_part=False)
def sink_roles(tables: Tables, model: str) -> Number:
    """Number of roles (no-op, broadcast) among the sinks of the model's heads."""
    roles = tables["head_roles"].filter(model=model)
    kinds = pl.col("role").filter(pl.col("role").is_in(["no-op", "broadcast"]))
    return number(roles, kinds.n_unique())


@measure("share of sinks that are a no-op", "head_roles")
def noop_share(tables: Tables, model: str) -> Number:
    """Fraction of the heads with a sink whose sink is a no-op."""
    roles = tables["head_roles"].filter(pl.col("role") != "none", model=model)
    return number(roles, (pl.col("role") == "no-op").mean())
