"""The costs of masks over documents. Pure functions, except derive, which reads files."""

from collections.abc import Mapping

import polars as pl

from sinkscope import means
from sinkscope.experiments.masks.tables import TABLES
from sinkscope.tables.read import Parts

BY = ["model", "mask", "is_control"]
ENDS = ("", "_low", "_high")


def costs(table: pl.DataFrame) -> pl.DataFrame:
    """The table mask_costs. table: masks."""
    place = ["model", "document"]
    dense = table.filter(pl.col("mask") == "dense").select(*place, dense="loss")
    control = table.filter("is_control").select(
        *place, "mask", is_control=False, control="loss", control_cosine="cosine"
    )
    tokens = pl.col("n_predicted")
    rows = (
        table.join(dense, on=place)
        .join(control, on=[*place, "mask", "is_control"], how="left")
        .with_columns(
            total=pl.col("loss") * tokens,
            change=(pl.col("loss") - pl.col("dense")) * tokens,
            above=(pl.col("control") - pl.col("loss")) * tokens,
            control_cosine=pl.col("cosine") - pl.col("control_cosine"),
            # Tokens of documents without a loss do not count.
            weight=pl.when(pl.col("loss").is_not_null()).then(tokens),
        )
    )
    others = ["share_of_pairs", "n_sinks", "agreement", "cosine", "control_cosine"]
    result = means.over_documents(rows, BY, others).rename({"cosine_n": "n_documents"})
    sums = {"loss": "total", "loss_change": "change", "control_loss": "above"}
    for name, numerator in sums.items():
        result = result.join(means.of_sums(rows, BY, numerator, "weight", name), on=BY)
    return result.with_columns(
        **{f"perplexity{end}": pl.col(f"loss{end}").exp() for end in ENDS},
    )


def derive(
    parts: Parts, beside: Mapping[str, pl.DataFrame], threshold: float | None
) -> dict[str, pl.DataFrame]:
    tables = {name: parts.joined(name, TABLES[name]) for name in TABLES if name != "mask_costs"}
    if not tables["masks"].is_empty():
        tables["mask_costs"] = costs(tables["masks"])
    return tables
