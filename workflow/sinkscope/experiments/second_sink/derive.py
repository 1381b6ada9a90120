"""The second sink of every model: means over documents, layer by layer, and whether its attention
reduces that on a query's neighbours. Pure functions, except derive, which reads files."""

from collections.abc import Mapping

import polars as pl

from sinkscope import means
from sinkscope.experiments.second_sink.constants import OWN, STUDIED, STUDIED_OF, SUMS, UNITS
from sinkscope.experiments.second_sink.convergence import (
    convergence,
    pair_intervals,
    pairs,
    summed,
)
from sinkscope.experiments.second_sink.tables import TABLES
from sinkscope.keys import LOCAL_WIDTHS
from sinkscope.tables.read import Parts

WIDTH = LOCAL_WIDTHS[-1]
MEANS = ("first_token", "second_sink", "next_terminator", "strongest", "cosine",
         "unit_distance", "cosine_others")  # fmt: skip


def by_layer(
    table: pl.DataFrame, converged: pl.DataFrame, ends: pl.DataFrame, threshold: float
) -> pl.DataFrame:
    """Means over documents with their intervals: one row per model, mark and layer; the mark OWN is
    the text itself.

    table: second_sink. converged: model, mark, layer; cosine and unit_distance over pairs of
    documents. ends: its intervals, used if they are over the same number of documents. A layer
    holds a second sink if its mean mass is at least `threshold`.
    """
    texts = table.filter("is_own").with_columns(mark=pl.lit(OWN))
    rows, by = pl.concat([texts, table]), ["model", "mark", "layer"]
    ratio = means.of_sums(rows, by, "second_sink", "first_token", "ratio")
    of_pairs = converged.select(
        *by,
        n_states="n_documents",
        convergence="cosine",
        convergence_distance="unit_distance",
    )
    both = ends.join(converged.select(*by, "n_documents"), on=[*by, "n_documents"])
    of_all = both.drop("n_documents")
    return (
        means.over_documents(rows, by, MEANS)
        .rename({"second_sink_n": "n_documents"})
        .join(ratio, on=by)
        .join(of_pairs, on=by, how="left")
        .join(of_all, on=by, how="left")
        .with_columns(
            threshold=pl.lit(threshold),
            is_second_sink=(pl.col("second_sink") >= threshold).fill_null(False),
        )
    )


def spans(layers: pl.DataFrame) -> pl.DataFrame:
    """One row per model, the strongest second sink first: the number of layers that hold one
    (n_layers), the first and the last of them (born, ends; null if there are none), and the layer,
    mass (with its interval) and ratio where the first terminator gets most attention. layers:
    second_sink_layers."""
    texts = layers.filter(pl.col("mark") == OWN).drop_nulls("second_sink")
    held_layers = pl.col("layer").filter("is_second_sink")
    order = ["model", "second_sink", "layer"]
    return (
        texts.sort(order, descending=[False, True, False])
        .group_by("model", maintain_order=True)
        .agg(
            n_layers=pl.col("is_second_sink").sum(),
            born=held_layers.min(),
            ends=held_layers.max(),
            layer=pl.col("layer").first(),
            mass=pl.col("second_sink").first(),
            mass_low=pl.col("second_sink_low").first(),
            mass_high=pl.col("second_sink_high").first(),
            ratio=pl.col("ratio").first(),
        )
        .sort("mass", "model", descending=[True, False])
    )


def profile(local: pl.DataFrame, layers: pl.DataFrame) -> pl.DataFrame:
    """The table second_sink_local as means over the layers that hold the model's second sink, or
    over all layers if none does."""
    texts = layers.filter(pl.col("mark") == OWN)
    holds = texts.select("model", "layer", "is_second_sink")
    return (
        local.join(holds, on=["model", "layer"])
        .filter(pl.col("is_second_sink") | ~pl.col("is_second_sink").any().over("model"))
        .group_by("model", "document", "query")
        .agg(
            pl.col("key").first(),
            pl.col("first_token", "second_sink", "local", "local_no_first").mean(),
        )
        .sort("model", "document", "query")
    )


def profile_of_layer(local: pl.DataFrame) -> pl.DataFrame:
    """The rows of the table second_sink_local of one layer of each model, the one at the depth of
    the layer whose profile Wray 2023 shows."""
    layers = local.select("model", "layer").unique().sort("model", "layer")
    at = pl.int_range(pl.len()) == STUDIED[0] * pl.len() // STUDIED_OF
    return local.join(layers.filter(at.over("model")), on=["model", "layer"]).sort(
        "model", "document", "query"
    )


def expected(profiles: pl.DataFrame) -> pl.DataFrame:
    """One row per model and document with enough queries on both sides of the second sink.

    Local attention before it (queries whose window does not reach key 0) and after it (whose window
    does not reach the second sink), and a naive expectation: if the second sink gets its attention
    beside a key 0 that gets m0, and the rest stays in proportion, everything else is divided by
    factor = 1 + (m2 / m0) * m0(before).
    """
    query, key = pl.col("query").cast(pl.Int64), pl.col("key").cast(pl.Int64)
    before, after = (query > WIDTH) & (query < key), query > key + WIDTH
    ratio = pl.col("second_sink").filter(after).mean() / pl.col("first_token").filter(after).mean()
    return (
        profiles.group_by("model", "document")
        .agg(
            key=pl.col("key").first(),
            n_queries=pl.len(),
            first_before=pl.col("first_token").filter(before).mean(),
            ratio=ratio,
            **{
                f"{name}_{side}": pl.col(name).filter(queries).mean()
                for name in ("local", "local_no_first")
                for side, queries in (("before", before), ("after", after))
            },
        )
        .drop_nulls(["local_before", "local_after"])
        .with_columns(factor=1 + pl.col("ratio") * pl.col("first_before"))
        .sort("model", "document")
    )


def drops(naive: pl.DataFrame) -> pl.DataFrame:
    """One row per model: n_documents; local_before, local_after and factor of expected(), means
    over documents with their intervals; and `dropped`, the factor by which local attention falls,
    with its interval. Local attention is above the naive expectation where dropped is less than
    factor."""
    values = ["local_before", "local_after", "factor"]
    dropped = means.of_sums(naive, ["model"], "local_before", "local_after", "dropped")
    return (
        means.over_documents(naive, ["model"], values)
        .rename({"factor_n": "n_documents"})
        .join(dropped, on="model")
        .sort("factor", "model", descending=[True, False])
    )


def of_first_document(maps: pl.DataFrame) -> pl.DataFrame:
    """The maps of one document per model, the first by name; every shard stored one document."""
    return maps.filter(pl.col("document") == pl.col("document").min().over("model"))


def derive(
    parts: Parts, beside: Mapping[str, pl.DataFrame], threshold: float
) -> dict[str, pl.DataFrame]:
    table = parts.joined("second_sink", TABLES["second_sink"])
    units = parts.joined(UNITS, TABLES["second_sink_states"])
    tables = {
        "second_sink": table,
        "second_sink_local": parts.joined("second_sink_local", TABLES["second_sink_local"]),
        **{
            name: of_first_document(parts.joined(name, TABLES[name]))
            for name in ("second_sink_maps", "second_sink_heads")
        },
        "second_sink_states": units if units.is_empty() else pairs(units),
    }
    if not table.is_empty():
        converged = convergence(summed(parts.each(SUMS)))
        ends = pair_intervals(tables["second_sink_states"])
        tables["second_sink_layers"] = by_layer(table, converged, ends, threshold)
    return tables
