"""Measures of induction heads."""

from __future__ import annotations

import polars as pl

from sinkscope.claims.measure import AbsentError, Measure, Tables, number


def n_induction_heads(tables: Tables, model: str) -> float | None:
    """Number of induction heads: heads whose induction score reaches the threshold."""
    return number(tables["induction"].filter(model=model), pl.col("is_induction").sum())


def induction_rest(tables: Tables, model: str, *, column: str = "first_token") -> float | None:
    """Minimum over induction heads of the mean attention to key 0 on ordinary text (first_token),
    or of the fraction of queries with more than half of their attention on key 0 (over_half)."""
    rows = tables["induction"].filter(model=model)
    if rows.height and not rows["is_induction"].any():
        raise AbsentError(f"{model} has no induction head.")
    return number(rows.filter("is_induction"), pl.col(column).min())


MEASURES = {
    "n_induction_heads": Measure(n_induction_heads, "induction heads", ("induction",), False),
    "induction_rest": Measure(
        induction_rest, "attention to the first token, least of all induction heads", ("induction",)
    ),
}
