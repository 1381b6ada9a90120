"""Measures of induction heads."""

import polars as pl

from sinkscope.claims.measure import AbsentError, Number, Tables, mean_of, measure, number, rows_of


def induction_heads(tables: Tables, model: str) -> pl.DataFrame:
    """Rows of the table induction. Raises AbsentError if there are rows, but no induction head."""
    rows = tables["induction"].filter(model=model)
    if rows.height and not rows["is_induction"].any():
        raise AbsentError(f"{model} has no induction head.")
    return rows.filter("is_induction")


@measure("induction heads", "induction", is_part=False)
def n_induction_heads(tables: Tables, model: str) -> Number:
    """Number of induction heads: heads whose induction score reaches the threshold."""
    return number(tables["induction"].filter(model=model), pl.col("is_induction").sum())


@measure(
    "attention to the first token, least of all induction heads",
    "induction",
    column=("first_token", "over_half"),
)
def induction_rest(tables: Tables, model: str, *, column: str = "first_token") -> Number:
    """Minimum over induction heads of the mean attention to key 0 on ordinary text (first_token),
    or of the fraction of queries with more than half of their attention on key 0 (over_half)."""
    rows = induction_heads(tables, model)
    least = number(rows, pl.col(column).min())
    if least is None or "heads" not in tables:
        return least
    keys, of_heads = ["layer", "head"], {"first_token": "sink_score"}.get(column, column)
    on_text = rows_of(tables, "heads", model, ["document", *keys, of_heads])
    chosen = rows.select(pl.col(name).cast(on_text.schema[name]) for name in keys)
    documents = on_text.join(chosen, on=keys)
    return least if documents.is_empty() else mean_of(documents, keys, of_heads, "min")


@measure("first layer with an induction head", "induction", is_part=False)
def induction_layer(tables: Tables, model: str) -> Number:
    """First layer with an induction head."""
    return number(induction_heads(tables, model), pl.col("layer").min())
