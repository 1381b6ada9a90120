"""Measures of what restricted attention costs."""

from sinkscope.claims.measure import Estimate, Number, Tables, measure


@measure(
    "cost of restricted attention, in nats per token",
    "mask_costs",
    is_part=False,
    column=("loss_change", "control_loss"),
)
def mask_cost(tables: Tables, model: str, *, mask: str, column: str = "loss_change") -> Number:
    """A column of mask_costs for one mask: loss_change (nats per token that the mask adds), or
    control_loss (nats per token that its control adds beyond the mask)."""
    rows = tables["mask_costs"].filter(model=model, mask=mask, is_control=False)
    rows = rows.drop_nulls(column)
    if rows.is_empty():
        return None
    columns = [column, f"{column}_low", f"{column}_high", "n_documents"]
    return Estimate(*rows.select(columns).row(0))
