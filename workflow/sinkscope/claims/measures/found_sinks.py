"""Measures of sinks other than the first token, detected from attention and from states."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from sinkscope import intervals
from sinkscope.claims.measure import (
    AbsentError,
    Number,
    Tables,
    estimate,
    measure,
    number,
    rows_of,
)

# A level is a pair of creation layer and lifetime that at least this part of the sinks has.
LEVEL = 0.05
ONE = pl.col("key").is_not_null()  # counts rows


def other_lives(tables: Tables, model: str) -> pl.DataFrame:
    """Sinks other than key 0. Raises AbsentError if the model has none."""
    rows = rows_of(tables, "sink_lives", model)
    others = rows.filter(pl.col("key") > 0)
    if rows.height and others.is_empty():
        raise AbsentError(f"{model} has no sink other than the first token.")
    return others


def secondary(tables: Tables, model: str) -> pl.DataFrame:
    """Sinks whose state is close to that of key 0 in some layer. Raises AbsentError if the model
    has none."""
    others = other_lives(tables, model)
    close = others.drop_nulls("first_close_layer")
    if others.height and close.is_empty():
        raise AbsentError(
            f"{model} has no secondary sink: no other sink has a state close to that of the "
            "first token."
        )
    return close


def in_documents(
    tables: Tables, model: str, rows: pl.DataFrame, values: Sequence[pl.Expr]
) -> list[np.ndarray]:
    """[document, 1] each: sums of the values over the rows of each document of the model that has a
    sink; 0 where it has no rows."""
    sums = rows.group_by("document").agg(
        value.sum().alias(f"{i}") for i, value in enumerate(values)
    )
    named = (
        rows_of(tables, "sink_lives", model, ["document"])
        .select("document")
        .unique()
        .sort("document")
    )
    joined = named.join(sums, on="document", how="left", maintain_order="left")
    columns = (joined[f"{i}"].cast(pl.Float64).fill_null(0.0) for i in range(len(values)))
    return [column.to_numpy()[:, None] for column in columns]


def fraction(tables: Tables, model: str, rows: pl.DataFrame, holds: pl.Expr) -> Number:
    """Fraction of the rows of sink_lives for which something holds; documents are resampled."""
    if rows.is_empty():
        return None
    above, below = in_documents(tables, model, rows, [holds, ONE])
    return estimate(intervals.ratios(above, below)[:, 0], len(above))


@measure(
    "share of documents with a sink that is neither the first token nor a special one",
    "sink_lives",
    "sink_mass",
)
def documents_with_other_sinks(tables: Tables, model: str) -> Number:
    """Fraction of the documents long enough for the sink rule in which an ordinary token other than
    key 0 is a sink."""
    lives = rows_of(tables, "sink_lives", model)
    if lives.is_empty():
        return None
    is_special = pl.col("key_class").is_in(["bos", "cls", "sep", "eos", "mask"])
    with_other = lives.filter(pl.col("key") > 0, ~is_special)["document"].unique()
    is_sinks = pl.col("key_set") == "sinks"
    of_sinks = rows_of(tables, "sink_mass", model, ["document", "mass"], is_sinks)
    of_sinks = of_sinks.drop_nulls("mass")
    names = of_sinks["document"].unique().sort()
    if names.is_empty():
        return None
    is_one = names.is_in(with_other.implode()).cast(pl.Float64).to_numpy()[:, None]
    return estimate(intervals.means(is_one)[:, 0], len(names))


@measure("share of other sinks close to the first token", "sink_lives")
def close_share(tables: Tables, model: str) -> Number:
    """Fraction of the sinks other than key 0 that are close to key 0 in some layer."""
    is_close = pl.col("first_close_layer").is_not_null()
    return fraction(tables, model, other_lives(tables, model), is_close)


@measure("share of secondary sinks that begin in middle layers", "sink_lives")
def secondary_in_middle(tables: Tables, model: str) -> Number:
    """Fraction of the secondary sinks that begin after the first and before the last quarter of the
    layers."""
    n_layers = tables["models"].filter(model=model)["n_layers"][0]
    begins = pl.col("first_layer") + 1
    inside = (begins > n_layers / 4) & (begins <= 3 * n_layers / 4)
    return fraction(tables, model, secondary(tables, model), inside)


@measure("mass of secondary sinks over that of the first token", "sink_lives", is_part=False)
def secondary_mass(tables: Tables, model: str) -> Number:
    """Peak mass of the secondary sinks over that of key 0 (means)."""
    of_first = rows_of(tables, "sink_lives", model, where=pl.col("key") == 0)
    of_second = secondary(tables, model)
    if of_first.is_empty() or of_second.is_empty():
        return None
    second, first = (
        intervals.ratios(*in_documents(tables, model, rows, [pl.col("peak_mass"), ONE]))[:, 0]
        for rows in (of_second, of_first)
    )
    documents = rows_of(tables, "sink_lives", model, ["document"])["document"]
    return estimate(second / first, documents.n_unique())


@measure("levels of secondary sinks", "sink_lives", is_part=False)
def sink_levels(tables: Tables, model: str) -> Number:
    """Number of levels. A level is a pair (first layer in which a secondary sink is close to key 0,
    number of layers in which it is) that at least LEVEL of the secondary sinks share."""
    rows = secondary(tables, model)
    life = pl.col("last_close_layer") - pl.col("first_close_layer")
    counted = rows.group_by("first_close_layer", life.alias("life")).len()
    return number(counted, (pl.col("len") >= LEVEL * rows.height).sum())
