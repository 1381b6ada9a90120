"""The tables of the experiment on induction heads: their scores, and where they rest."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from sinkscope.experiments.induction.tables import TABLES
from sinkscope.tables.parts import Parts


def with_rest(scores: pl.DataFrame, heads: pl.DataFrame, threshold: float) -> pl.DataFrame:
    """Scores of every head beside its attention to key 0 on ordinary text.

    heads: the table of that name; its means are over documents. A head is an induction head
    from a score of `threshold` on. The peers of a head are the other heads of its layer that are
    no induction heads: later layers rest more on the first token anyway.
    """
    rest = heads.group_by("model", "layer", "head").agg(
        first_token=pl.col("sink_score").mean(), over_half=pl.col("over_half").mean()
    )
    keys = [pl.col(name).cast(rest.schema[name]) for name in ("layer", "head")]
    found = (
        scores.with_columns(keys)
        .join(rest, on=["model", "layer", "head"], how="left")
        .with_columns(
            threshold=pl.lit(threshold), is_induction=pl.col("induction_score") >= threshold
        )
    )
    return found.with_columns(
        peers_mean(name).alias(f"{name}_peers") for name in ("first_token", "over_half")
    )


def peers_mean(name: str) -> pl.Expr:
    """Mean of a column over the peers of each head; missing where a head has none."""
    counts = pl.col(name).is_not_null() & ~pl.col("is_induction")
    own = pl.when(counts).then(pl.col(name)).otherwise(0.0)
    layer = ["model", "layer"]
    n_peers = counts.sum().over(layer).cast(pl.Int64) - counts.cast(pl.Int64)
    return pl.when(n_peers > 0).then((own.sum().over(layer) - own) / n_peers)


def derive(
    parts: Parts, beside: Mapping[str, pl.DataFrame], threshold: float
) -> dict[str, pl.DataFrame]:
    """The experiment's tables by name."""
    scores = parts.joined("scores", TABLES["induction"])
    found = {"induction_patterns": parts.joined("patterns", TABLES["induction_patterns"])}
    if not scores.is_empty():
        found["induction"] = with_rest(scores, beside["heads"], threshold)
    return found
