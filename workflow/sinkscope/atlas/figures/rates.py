"""Sink rates over the first tokens of documents and over whole documents."""

import polars as pl

from sinkscope import means
from sinkscope.charts.figure import Tables
from sinkscope.tables.read import queried

WHY_WINDOW = (
    "A sink score falls with length: under a causal mask, attention spread evenly over 7 tokens "
    "gives key 0 a score of 0.37. The rate over the first tokens, the setting of Gu et al. (2024), "
    "compares texts of one length; it leaves out shorter documents"
)


def over(rates: pl.DataFrame, window: int | None) -> pl.DataFrame:
    """Rows of the table sink_rate for whole documents (None) or for first tokens."""
    column = pl.col("window")
    return rates.filter(column.is_null() if window is None else column == window)


def windows(rates: pl.DataFrame) -> list[int | None]:
    """The windows that occur, whole documents (None) last."""
    values = rates.drop_nulls("rate")["window"].unique().to_list()
    return sorted(values, key=lambda window: (window is None, window))


def at_key_zero(tables: Tables) -> pl.DataFrame:
    """model, window, document, n_above, n_heads: of the table sink_rate_documents the sums over the
    layers, at key 0."""

    def query(scored: pl.LazyFrame) -> pl.LazyFrame:
        rows = scored.filter(pl.col("key_set") == "first_token")
        by = ("model", "window", "document")
        return rows.group_by(by).agg(pl.col("n_above", "n_heads").sum())

    return queried(tables, "sink_rate_documents", query)


def of_key_zero(tables: Tables) -> pl.DataFrame:
    """model, window, rate, low, high, n_documents: the sink rate at key 0 over all (document,
    layer, head) that have a score, with its interval over documents; whole documents last."""
    totals = at_key_zero(tables)
    rates = means.of_sums(totals, ["model", "window"], "n_above", "n_heads", "rate")
    names = {"rate_low": "low", "rate_high": "high", "rate_n": "n_documents"}
    return rates.rename(names).sort("model", "window", nulls_last=True)
