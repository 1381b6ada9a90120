"""Measures of sinks beside the first token, found from attention and from states."""

from __future__ import annotations

import polars as pl

from sinkscope.claims.measure import AbsentError, Measure, Tables, number

# A level is a pair of creation layer and lifetime that at least this part of the sinks has.
LEVEL = 0.05


def other_lives(tables: Tables, model: str) -> pl.DataFrame:
    """Sinks beside key 0. Raises AbsentError if there is none."""
    rows = tables["sink_lives"].filter(model=model)
    others = rows.filter(pl.col("key") > 0)
    if rows.height and others.is_empty():
        raise AbsentError(f"{model} has no sink beside the first token.")
    return others


def secondary(tables: Tables, model: str) -> pl.DataFrame:
    """Those whose state is at some layer close to that of key 0. Raises AbsentError if there is
    none."""
    others = other_lives(tables, model)
    close = others.drop_nulls("first_close_layer")
    if others.height and close.is_empty():
        raise AbsentError(
            f"{model} has no secondary sink: no sink beside the first token has a state close to "
            "that of the first token."
        )
    return close


def documents_with_other_sinks(tables: Tables, model: str) -> float | None:
    """Fraction of the documents in which an ordinary token beside key 0 is a sink."""
    lives = tables["sink_lives"].filter(model=model)
    if lives.is_empty():
        return None
    is_special = pl.col("key_class").is_in(["bos", "cls", "sep", "eos", "mask"])
    with_other = lives.filter(pl.col("key") > 0, ~is_special)["document"].n_unique()
    n_documents = tables["documents"].filter(model=model)["document"].n_unique()
    return with_other / n_documents if n_documents else None


def close_share(tables: Tables, model: str) -> float | None:
    """Fraction of the sinks beside key 0 whose state is at some layer close to that of key 0."""
    return number(other_lives(tables, model), pl.col("first_close_layer").is_not_null().mean())


def secondary_in_middle(tables: Tables, model: str) -> float | None:
    """Fraction of the secondary sinks that begin after the first and before the last quarter of the
    layers."""
    n_layers = tables["models"].filter(model=model)["n_layers"][0]
    begins = pl.col("first_layer") + 1
    inside = (begins > n_layers / 4) & (begins <= 3 * n_layers / 4)
    return number(secondary(tables, model), inside.mean())


def secondary_mass(tables: Tables, model: str) -> float | None:
    """Peak mass of the secondary sinks over that of key 0 (means)."""
    second = number(secondary(tables, model), pl.col("peak_mass").mean())
    first = number(
        tables["sink_lives"].filter(pl.col("key") == 0, model=model), pl.col("peak_mass").mean()
    )
    return second / first if second is not None and first else None


def sink_levels(tables: Tables, model: str) -> float | None:
    """Number of levels: pairs of the layer in which a secondary sink begins to be close to key 0
    and of the number of layers for which it is, that at least LEVEL of the secondary sinks have."""
    rows = secondary(tables, model)
    life = pl.col("last_close_layer") - pl.col("first_close_layer")
    counted = rows.group_by("first_close_layer", life.alias("life")).len()
    return number(counted, (pl.col("len") >= LEVEL * rows.height).sum())


LIVES = ("sink_lives",)

MEASURES = {
    "documents_with_other_sinks": Measure(
        documents_with_other_sinks,
        "share of documents with a sink that is neither the first token nor a special one",
        ("sink_lives", "documents"),
    ),
    "close_share": Measure(close_share, "share of other sinks close to the first token", LIVES),
    "secondary_in_middle": Measure(
        secondary_in_middle, "share of secondary sinks that begin in middle layers", LIVES
    ),
    "secondary_mass": Measure(
        secondary_mass, "mass of secondary sinks over that of the first token", LIVES, False
    ),
    "sink_levels": Measure(sink_levels, "levels of secondary sinks", LIVES, False),
}
