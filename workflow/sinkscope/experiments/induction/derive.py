"""The tables of the experiment on induction heads: scores, and attention on ordinary text."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from sinkscope.experiments.induction.tables import TABLES
from sinkscope.tables.parts import Parts


def with_ordinary_text(scores: pl.DataFrame, heads: pl.DataFrame, threshold: float) -> pl.DataFrame:
    """The induction scores of every head, joined to its attention to key 0 on ordinary text.

    heads: the table of that name; the mean over documents is taken here. A head is an induction
    head if its score is at least `threshold`. The peers of a head are the other heads of its layer
    that are not induction heads: later layers attend more to the first token in any case.
    """
    on_text = heads.group_by("model", "layer", "head").agg(
        first_token=pl.col("sink_score").mean(), over_half=pl.col("over_half").mean()
    )
    keys = [pl.col(name).cast(on_text.schema[name]) for name in ("layer", "head")]
    table = (
        scores.with_columns(keys)
        .join(on_text, on=["model", "layer", "head"], how="left")
        .with_columns(
            threshold=pl.lit(threshold), is_induction=pl.col("induction_score") >= threshold
        )
    )
    return table.with_columns(
        peers_mean(name).alias(f"{name}_peers") for name in ("first_token", "over_half")
    )


def peers_mean(name: str) -> pl.Expr:
    """Mean of a column over the peers of each head; null if a head has none."""
    counts = pl.col(name).is_not_null() & ~pl.col("is_induction")
    value = pl.when(counts).then(pl.col(name)).otherwise(0.0)
    layer = ["model", "layer"]
    n_peers = counts.sum().over(layer).cast(pl.Int64) - counts.cast(pl.Int64)
    return pl.when(n_peers > 0).then((value.sum().over(layer) - value) / n_peers)


def derive(
    parts: Parts, beside: Mapping[str, pl.DataFrame], threshold: float
) -> dict[str, pl.DataFrame]:
    """The experiment's tables by name."""
    scores = parts.joined("scores", TABLES["induction"])
    tables = {"induction_patterns": parts.joined("patterns", TABLES["induction_patterns"])}
    if not scores.is_empty():
        tables["induction"] = with_ordinary_text(scores, beside["heads"], threshold)
    return tables
