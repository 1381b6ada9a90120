"""Measures of what sinks of heads contribute: the loss when they send nothing."""

import polars as pl

from sinkscope.claims.measure import AbsentError, Estimate, Number, Tables, measure


@measure(
    "cost of edited sinks, in nats per token",
    "head_edit_costs",
    is_part=False,
    role=("no-op", "broadcast", "mixed"),
    edit=("zero", "mean", "other", "remove"),
)
def edit_cost(tables: Tables, model: str, *, role: str, edit: str = "zero") -> Number:
    """Loss in nats per token from editing all sinks of a role. The claim does not hold for a model
    without a head of this role."""
    rows = tables["head_edit_costs"].filter(pl.col("layer").is_null(), model=model)
    of_role = rows.filter(pl.col("edited_key") == "sink", role=role)
    if rows.height and of_role.is_empty():
        raise AbsentError(f"{model} has no head whose sink is a {role}.")
    changes = of_role.filter(edit=edit).drop_nulls("loss_change")
    if changes.is_empty():
        return None
    columns = ["loss_change", "loss_change_low", "loss_change_high", "n_documents"]
    return Estimate(*changes.select(columns).row(0))
