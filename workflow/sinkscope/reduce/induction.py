"""The tables of the experiment on induction heads: their scores, and where they rest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from sinkscope.reduce.parts import joined
from sinkscope.reduce.schemas import write_table


def with_rest(scores: pl.DataFrame, heads: pl.DataFrame, threshold: float) -> pl.DataFrame:
    """Scores of every head beside its attention to key 0 on ordinary text.

    heads: the table of that name; its means are over documents. A head is an induction head
    from a score of `threshold` on.
    """
    rest = heads.group_by("model", "layer", "head").agg(
        first_token=pl.col("sink_score").mean(), over_half=pl.col("over_half").mean()
    )
    keys = [pl.col(name).cast(rest.schema[name]) for name in ("layer", "head")]
    return (
        scores.with_columns(keys)
        .join(rest, on=["model", "layer", "head"], how="left")
        .with_columns(
            threshold=pl.lit(threshold), is_induction=pl.col("induction_score") >= threshold
        )
    )


def write_tables(parts: Sequence[Path], tables: Path, threshold: float) -> None:
    """Write induction and induction_patterns into the folder `tables`, which has heads.

    parts: folders that the experiment wrote, one a model.
    """
    scores = joined(parts, "scores", "induction")
    found = {"induction_patterns": joined(parts, "patterns", "induction_patterns")}
    if scores.is_empty():
        found["induction"] = scores
    else:
        found["induction"] = with_rest(scores, pl.read_parquet(tables / "heads.parquet"), threshold)
    for table, frame in found.items():
        write_table(frame.lazy(), table, tables)
