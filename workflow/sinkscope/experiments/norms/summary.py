"""Norms and weighted masses as means over documents. Pure functions."""

from __future__ import annotations

import polars as pl

from sinkscope.experiments.norms.constants import QUANTITIES


def of_models(ratios: pl.DataFrame) -> pl.DataFrame:
    """model, layer, sink, state, key, value: geometric mean over documents. Sinks with the same
    name in one document are averaged first."""
    return (
        ratios.with_columns(pl.col(QUANTITIES).fill_nan(None).log())
        .group_by("model", "document", "layer", "sink")
        .agg(pl.col(QUANTITIES).mean())
        .sort("model", "document", "layer", "sink")
        .group_by("model", "layer", "sink")
        .agg(pl.col(QUANTITIES).mean().exp())
        .sort("model", "layer", "sink")
    )


def of_sets(weighted: pl.DataFrame) -> pl.DataFrame:
    """model, layer, key_set, mass, norm_mass: mean over documents."""
    return (
        weighted.with_columns(pl.col("mass", "norm_mass").fill_nan(None))
        .group_by("model", "layer", "key_set")
        .agg(pl.col("mass", "norm_mass").mean())
        .sort("model", "layer", "key_set")
    )


def peaks(masses: pl.DataFrame) -> pl.DataFrame:
    """One row per model: the layer where the first token gets most attention."""
    first = masses.filter(pl.col("key_set") == "first_token").drop_nulls("mass")
    ordered = first.sort("model", "mass", "layer", descending=[False, True, False])
    return ordered.group_by("model", maintain_order=True).first()
