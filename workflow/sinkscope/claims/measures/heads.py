"""Measures of single heads: local attention, dormant heads, roles of sinks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from sinkscope import intervals
from sinkscope.claims.measure import (
    Estimate,
    Measure,
    Tables,
    estimate,
    in_layers,
    number,
    over,
    per_document,
)
from sinkscope.claims.measures.sink_mass import masses
from sinkscope.keys import KEY_SETS, LOCAL_WIDTHS

WIDTHS = [f"local_{width}" for width in LOCAL_WIDTHS]
LOCAL = (*WIDTHS, *(f"{name}_no_sinks" for name in WIDTHS))


def local(
    tables: Tables, model: str, *, column: str, layers: Sequence[int] | str
) -> float | Estimate | None:
    """Local attention, mean over heads and these layers."""
    found = by_layer(tables, model, column, layers)
    return None if found is None else estimate(over("mean", found[0]), found[1])


def local_left(
    tables: Tables, model: str, *, column: str, layers: Sequence[int] | str,
    of_layers: Sequence[int] | str,
) -> float | Estimate | None:  # fmt: skip
    """Local attention in `layers` as a fraction of that in `of_layers`."""
    left = by_layer(tables, model, column, layers)
    whole = by_layer(tables, model, column, of_layers)
    if left is None or whole is None:
        return None
    return estimate(over("mean", left[0]) / over("mean", whole[0]), left[1])


def by_layer(
    tables: Tables, model: str, column: str, layers: Sequence[int] | str
) -> tuple[np.ndarray, int] | None:
    """[1 + RESAMPLES, layer], mean over heads; and the number of documents."""
    rows = in_layers(tables["heads"].filter(model=model), layers).drop_nulls(column)
    if rows.is_empty():
        return None
    _, (values,) = per_document(rows, ["layer"], [column])
    return intervals.means(values), len(values)


def local_of_rest(
    tables: Tables, model: str, *, key_set: str, column: str, layers: Sequence[int] | str
) -> float | Estimate | None:
    """Local attention as a fraction of the attention that is not on a key set."""
    found = by_layer(tables, model, column, layers)
    rows = in_layers(masses(tables, model, key_set), layers).drop_nulls("mass")
    if found is None or rows.is_empty():
        return None
    _, (mass,) = per_document(rows, ["layer"], ["mass"])
    if len(mass) != found[1]:
        return None
    rest = 1 - over("mean", intervals.means(mass))
    return estimate(over("mean", found[0]) / rest, found[1])


def over_half(tables: Tables, model: str) -> np.ndarray:
    """[document, head]: fraction of the queries that give key 0 more than half."""
    rows = tables["heads"].filter(model=model).drop_nulls("over_half")
    return per_document(rows, ["layer", "head"], ["over_half"])[1][0]


def dormant_heads(tables: Tables, model: str) -> float | Estimate | None:
    """Fraction of the heads in which most queries give key 0 more than half of their attention
    (mean over documents)."""
    values = over_half(tables, model)
    if not values.size:
        return None
    return estimate((intervals.means(values) > 0.5).mean(1), len(values))


def varying_heads(tables: Tables, model: str) -> float | Estimate | None:
    """Fraction of these heads in which fewer than half of the queries of some document do."""
    values = over_half(tables, model)
    if not values.size:
        return None
    is_dormant = intervals.means(values) > 0.5  # [resample, head]
    is_drawn, is_low = intervals.draws(len(values)) > 0, values < 0.5
    varies = is_drawn.astype(np.float64) @ is_low > 0
    n_dormant, n_varying = is_dormant.sum(1), (is_dormant & varies).sum(1)
    share = np.divide(
        n_varying, n_dormant, out=np.full(len(n_dormant), np.nan), where=n_dormant > 0
    )
    return estimate(share, len(values))


def broadest_head(
    tables: Tables, model: str, *, layers: Sequence[int] | str
) -> float | Estimate | None:
    """Entropy of the head of these layers with the highest one (part of the maximum)."""
    rows = in_layers(tables["heads"].filter(model=model), layers).drop_nulls("entropy")
    if rows.is_empty():
        return None
    _, (values,) = per_document(rows, ["layer", "head"], ["entropy"])
    return estimate(over("max", intervals.means(values)), len(values))


def sink_roles(tables: Tables, model: str) -> float | None:
    """Number of roles (no-op, broadcast) among the sinks of the model's heads."""
    roles = tables["head_roles"].filter(model=model)
    kinds = pl.col("role").filter(pl.col("role").is_in(["no-op", "broadcast"]))
    return number(roles, kinds.n_unique())


def noop_share(tables: Tables, model: str) -> float | None:
    """Fraction of the heads with a sink whose sink is a no-op."""
    roles = tables["head_roles"].filter(pl.col("role") != "none", model=model)
    return number(roles, (pl.col("role") == "no-op").mean())


HEADS = ("heads",)
COLUMN = {"column": LOCAL}

MEASURES = {
    "local": Measure(local, "attention to neighbours", HEADS, legal=COLUMN),
    "local_left": Measure(
        local_left, "attention to neighbours, as a fraction", HEADS, False, COLUMN
    ),
    "local_of_rest": Measure(
        local_of_rest,
        "attention to neighbours, as a fraction of what is not on the key set",
        ("heads", "sink_mass"),
        False,
        {**COLUMN, "key_set": KEY_SETS},
    ),
    "dormant_heads": Measure(dormant_heads, "share of dormant heads", HEADS),
    "varying_heads": Measure(varying_heads, "share of dormant heads that are active", HEADS),
    "broadest_head": Measure(broadest_head, "entropy of the broadest head", HEADS),
    "sink_roles": Measure(sink_roles, "roles of sinks", ("head_roles",), False),
    "noop_share": Measure(noop_share, "share of sinks that are a no-op", ("head_roles",)),
}
