"""Measures of induction heads."""

from __future__ import annotations

import polars as pl

from sinkscope import intervals
from sinkscope.claims.measure import (
    AbsentError,
    Estimate,
    Measure,
    Tables,
    estimate,
    number,
    over,
    per_document,
)


def n_induction_heads(tables: Tables, model: str) -> float | None:
    """Number of induction heads: heads whose induction score reaches the threshold."""
    return number(tables["induction"].filter(model=model), pl.col("is_induction").sum())


def induction_rest(
    tables: Tables, model: str, *, column: str = "first_token"
) -> float | Estimate | None:
    """Minimum over induction heads of the mean attention to key 0 on ordinary text (first_token),
    or of the fraction of queries with more than half of their attention on key 0 (over_half)."""
    rows = tables["induction"].filter(model=model)
    if rows.height and not rows["is_induction"].any():
        raise AbsentError(f"{model} has no induction head.")
    least = number(rows.filter("is_induction"), pl.col(column).min())
    on_text = tables.get("heads")
    if least is None or on_text is None:
        return least
    keys = ["layer", "head"]
    chosen = rows.filter("is_induction").select(pl.col(name).cast(on_text.schema[name])
                                                for name in keys)  # fmt: skip
    documents = on_text.filter(model=model).join(chosen, on=keys)
    if documents.is_empty():
        return least
    of_heads = {"first_token": "sink_score"}.get(column, column)
    _, (values,) = per_document(documents, keys, [of_heads])
    return estimate(over("min", intervals.means(values)), documents["document"].n_unique())


def induction_layer(tables: Tables, model: str) -> float | None:
    """First layer with an induction head."""
    rows = tables["induction"].filter(model=model)
    if rows.height and not rows["is_induction"].any():
        raise AbsentError(f"{model} has no induction head.")
    return number(rows.filter("is_induction"), pl.col("layer").min())


MEASURES = {
    "induction_layer": Measure(
        induction_layer, "first layer with an induction head", ("induction",), False
    ),
    "n_induction_heads": Measure(n_induction_heads, "induction heads", ("induction",), False),
    "induction_rest": Measure(
        induction_rest,
        "attention to the first token, least of all induction heads",
        ("induction",),
        legal={"column": ("first_token", "over_half")},
    ),
}
