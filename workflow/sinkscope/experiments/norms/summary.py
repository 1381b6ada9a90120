"""Norms and weighted masses as means over documents. Pure functions."""

import polars as pl

from sinkscope import means, words
from sinkscope.experiments.norms.constants import QUANTITIES


def unknown_keys(norms: pl.DataFrame) -> str:
    """The sentence of a caption about models without known norms of keys. norms: with the columns
    model and key."""
    known = norms.filter(pl.col("key").is_not_nan())
    models = sorted(set(norms["model"]) - set(known["model"]))
    return f" Norms of keys are unknown for {words.listed(models)}." if models else ""


def by_document(ratios: pl.DataFrame) -> pl.DataFrame:
    """model, document, layer, sink, state, key, value: sinks with the same name in one document are
    averaged (geometric mean)."""
    by = ["model", "document", "layer", "sink"]
    logs = ratios.with_columns(pl.col(QUANTITIES).fill_nan(None).log())
    return logs.group_by(by).agg(pl.col(QUANTITIES).mean().exp()).sort(by)


def of_models(ratios: pl.DataFrame) -> pl.DataFrame:
    """model, layer, sink, and of state, key and value the geometric mean over documents with its
    interval (means.over_documents)."""
    by = ["model", "layer", "sink"]
    return means.over_documents(by_document(ratios), by, QUANTITIES, log=QUANTITIES)


def of_sets(weighted: pl.DataFrame) -> pl.DataFrame:
    """model, layer, key_set, and of mass and norm_mass the mean over documents with its
    interval."""
    by = ["model", "layer", "key_set"]
    return means.over_documents(weighted, by, ["mass", "norm_mass"])


def peaks(masses: pl.DataFrame) -> pl.DataFrame:
    """One row per model: the layer where the first token gets most attention."""
    first = masses.filter(pl.col("key_set") == "first_token").drop_nulls("mass")
    ordered = first.sort("model", "mass", "layer", descending=[False, True, False])
    return ordered.group_by("model", maintain_order=True).first()
