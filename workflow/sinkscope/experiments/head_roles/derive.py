"""Roles of heads and effects of edits over documents. Pure functions, except derive, which reads
files."""

from collections.abc import Mapping

import polars as pl

from sinkscope import means
from sinkscope.experiments.head_roles.constants import MIXED, NONE
from sinkscope.experiments.head_roles.tables import CHANGES, NUMBERS, TABLES
from sinkscope.tables.read import Parts

HEAD = ["model", "layer", "head"]
EDIT = ["model", "role", "layer", "head", "edit", "edited_key"]


def roles(table: pl.DataFrame) -> pl.DataFrame:
    """The table head_roles. table: head_roles_documents."""
    has_sink = pl.col("role") != NONE
    counts = table.group_by(HEAD).agg(n_documents=pl.len(), n_events=has_sink.sum())
    numbers = means.over_documents(table, HEAD, [*NUMBERS, *CHANGES])
    return (
        counts.join(commonest(table.filter(has_sink), "role", MIXED), on=HEAD, how="left")
        .join(commonest(table, "key_class"), on=HEAD)
        .join(numbers, on=HEAD)
        .with_columns(
            role=pl.when(2 * pl.col("n_events") >= pl.col("n_documents"))
            .then("role")
            .otherwise(pl.lit(NONE))
        )
    )


def commonest(table: pl.DataFrame, column: str, tie: str | None = None) -> pl.DataFrame:
    """model, layer, head and the commonest value of a column; of equally common ones `tie`, or the
    first in order."""
    counts = table.group_by(*HEAD, column).agg(n=pl.len())
    most = counts.filter(pl.col("n") == pl.col("n").max().over(HEAD))
    value = pl.col(column).min()
    if tie is not None:
        value = pl.when(pl.len() > 1).then(pl.lit(tie)).otherwise(value)
    return most.group_by(HEAD).agg(value.alias(column))


def edit_costs(table: pl.DataFrame) -> pl.DataFrame:
    """The table head_edit_costs. table: head_edits."""
    rows = table.with_columns(
        change=(pl.col("loss") - pl.col("dense_loss")) * pl.col("n_predicted"),
        weight=pl.when(pl.col("loss").is_not_null()).then("n_predicted"),
    )
    result = means.over_documents(rows, EDIT, ["n_heads", "cosine"])
    changes = means.of_sums(rows, EDIT, "change", "weight", "loss_change")
    return result.rename({"cosine_n": "n_documents"}).join(changes, on=EDIT, nulls_equal=True)


def derive(
    parts: Parts, beside: Mapping[str, pl.DataFrame], threshold: float | None
) -> dict[str, pl.DataFrame]:
    measured = ("head_roles_documents", "head_edits")
    tables = {name: parts.joined(name, TABLES[name]) for name in measured}
    if not tables["head_roles_documents"].is_empty():
        tables["head_roles"] = roles(tables["head_roles_documents"])
    if not tables["head_edits"].is_empty():
        tables["head_edit_costs"] = edit_costs(tables["head_edits"])
    return tables
