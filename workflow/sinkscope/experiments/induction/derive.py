"""The tables of the experiment on induction heads: scores, and attention on ordinary text."""

from collections.abc import Mapping

import polars as pl

from sinkscope import means
from sinkscope.experiments.induction.tables import TABLES
from sinkscope.tables.blocks import Blocks
from sinkscope.tables.read import Parts, selected

KEYS = ["model", "layer", "head"]
# Columns of the table: attention of a head to the first token of ordinary text.
ON_TEXT = ("first_token", "over_half")


def with_ordinary_text(
    scores: pl.DataFrame, beside: Mapping[str, pl.DataFrame], threshold: float
) -> pl.DataFrame:
    """The induction scores of every head, joined to its attention to key 0 on ordinary text.

    beside: with the table heads; means over documents, with their intervals, are taken here. A
    head is an induction head if its score is at least `threshold`. The peers of a head are the
    other heads of its layer that are not induction heads: later layers attend more to the first
    token in any case.
    """
    table = scores.with_columns(
        threshold=pl.lit(threshold), is_induction=pl.col("induction_score") >= threshold
    )
    keys = [pl.col(name).cast(table.schema[name]) for name in KEYS]

    def on_text(of: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
        columns = ["document", *KEYS, "sink_score", "over_half"]
        heads = selected(of, "heads", columns).rename({"sink_score": "first_token"})
        rows = heads.with_columns(keys).join(table.select(*KEYS, "is_induction"), on=KEYS)
        return rows.with_columns(peers_mean(name).alias(f"{name}_peers") for name in ON_TEXT)

    values = [*ON_TEXT, *(f"{name}_peers" for name in ON_TEXT)]
    means_on_text = means.over_documents(Blocks(beside, "heads", on_text), KEYS, values)
    return table.join(means_on_text, on=KEYS, how="left")


def peers_mean(name: str) -> pl.Expr:
    """Mean of a column over the peers of each head, in each document: the other heads of its layer
    that are not induction heads; null if it has none."""
    counts = pl.col(name).is_not_null() & ~pl.col("is_induction")
    value = pl.when(counts).then(pl.col(name)).otherwise(0.0)
    layer = ["model", "document", "layer"]
    n_peers = counts.sum().over(layer).cast(pl.Int64) - counts.cast(pl.Int64)
    return pl.when(n_peers > 0).then((value.sum().over(layer) - value) / n_peers)


def derive(
    parts: Parts, beside: Mapping[str, pl.DataFrame], threshold: float
) -> dict[str, pl.DataFrame]:
    scores = parts.joined("scores", TABLES["induction"])
    tables = {"induction_patterns": parts.joined("patterns", TABLES["induction_patterns"])}
    if not scores.is_empty():
        tables["induction"] = with_ordinary_text(scores, beside, threshold)
    return tables
