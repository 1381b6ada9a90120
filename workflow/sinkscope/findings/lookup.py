"""Values of the table `findings` by figure and model."""

from typing import Any

import polars as pl


def values_of(findings: pl.DataFrame, figure: str, model: str | None = None) -> dict[str, Any]:
    """Value by name in one figure (and for one model); of a list, the first entry. Empty if the
    figure was not drawn."""
    rows = findings.filter(
        pl.col("figure") == figure, pl.col("model").eq_missing(model), pl.col("rank") == 0
    )
    return {
        row["name"]: row["value"] if row["text"] is None else row["text"]
        for row in rows.iter_rows(named=True)
    }


def listed(findings: pl.DataFrame, figure: str, name: str) -> list[dict[str, Any]]:
    """The entries of a list of values of one figure, in order, each with its model."""
    rows = findings.filter(
        pl.col("figure") == figure, pl.col("name").str.starts_with(f"{name}.")
    ).sort("rank")
    entries: dict[int, dict[str, Any]] = {}
    for row in rows.iter_rows(named=True):
        entry = entries.setdefault(row["rank"], {"model": row["model"]})
        key = row["name"].removeprefix(f"{name}.")
        entry[key] = row["value"] if row["text"] is None else row["text"]
    return list(entries.values())
