"""Measures of massive activations: entries of the residual state far above all others (Sun et al.
2024). A claim about them does not hold for a model without any."""

import polars as pl

from sinkscope.claims.measure import AbsentError, Number, Tables, measure, number


def massive(tables: Tables, model: str) -> pl.DataFrame:
    """The rows of the table activations that are massive. Raises AbsentError if there are rows, but
    none is massive."""
    rows = tables["activations"].filter(model=model)
    of_massive = rows.filter("is_massive")
    if rows.height and of_massive.is_empty():
        raise AbsentError(f"{model} has no massive activations.")
    return of_massive


@measure(
    "layer that massive activations of the first token enter",
    "activations",
    is_part=False,
    end=("first", "last"),
)
def massive_layer(tables: Tables, model: str, *, end: str) -> Number:
    """First or last layer that a state with a massive activation at key 0 enters, in at least half
    of the documents."""
    rows = massive(tables, model).filter(position=0)
    layers = in_half_of_documents(tables, model, rows, "layer")
    return number(layers, {"first": pl.col("layer").min(), "last": pl.col("layer").max()}[end])


@measure(
    "dimensions of massive activations", "activations", is_part=False, which=("n", "first", "last")
)
def massive_dimensions(tables: Tables, model: str, *, which: str) -> Number:
    """Of the dimensions that are massive at key 0 in at least half of the documents: their number
    (n), the smallest (first) or the largest (last)."""
    rows = massive(tables, model).filter(position=0)
    dimension = pl.col("dimension").cast(pl.Int64)
    taken = {"n": pl.len(), "first": dimension.min(), "last": dimension.max()}[which]
    return number(in_half_of_documents(tables, model, rows, "dimension"), taken)


def in_half_of_documents(
    tables: Tables, model: str, rows: pl.DataFrame, column: str
) -> pl.DataFrame:
    """The values of a column that occur in at least half of the model's documents."""
    n_documents = tables["activations"].filter(model=model)["document"].n_unique()
    counted = rows.group_by(column).agg(n=pl.col("document").n_unique())
    return counted.filter(pl.col("n") * 2 >= n_documents)


@measure("largest massive activation", "activations", is_part=False)
def massive_size(tables: Tables, model: str) -> Number:
    """Magnitude of the largest massive activation."""
    return number(massive(tables, model), pl.col("activation").abs().max())


@measure("massive activations at these tokens", "activations")
def massive_share(tables: Tables, model: str, *, key_classes: list[str] | None = None) -> Number:
    """Fraction of the massive activations that are at key 0, or at a token of these classes."""
    rows = massive(tables, model)
    inside = (pl.col("position") == 0) | pl.col("key_class").is_in(key_classes or [])
    return number(rows, inside.mean())
