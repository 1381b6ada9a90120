"""Means over documents of the table position_content."""

import polars as pl

from sinkscope.charts.figure import Tables
from sinkscope.means import over_documents

GROUPS = ("model", "input", "role")  # averaged over documents


def known_content(tables: Tables) -> pl.DataFrame:
    """Rows of position_content that have a mass."""
    content = tables["position_content"].with_columns(pl.col("mass").fill_nan(None))
    return content.drop_nulls("mass")


def of_roles(content: pl.DataFrame) -> pl.DataFrame:
    """model, input, layer, role, mass: means over documents with their intervals."""
    return over_documents(content, ["model", "input", "layer", "role"], ["mass"])


def at_peak(means: pl.DataFrame, role: str) -> pl.DataFrame:
    """Rows of the layer of each model in which `role` receives most attention in the unchanged
    text."""
    text = means.filter(pl.col("input") == "text", pl.col("role") == role)
    best = text.sort("model", "mass", "layer", descending=[False, True, False])
    layers = best.group_by("model", maintain_order=True).first().select("model", "layer")
    return means.join(layers, on=["model", "layer"])
