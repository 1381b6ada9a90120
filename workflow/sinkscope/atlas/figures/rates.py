"""Sink rates over the first tokens of documents and over whole documents."""

from __future__ import annotations

import polars as pl

WHY_WINDOW = (
    "A sink score falls with length: under a causal mask, attention spread evenly over 7 tokens "
    "gives key 0 a score of 0.37. The rate over the first tokens, the setting of Gu et al. (2024), "
    "compares texts of one length; documents that are shorter are not counted there"
)


def over(rates: pl.DataFrame, window: int | None) -> pl.DataFrame:
    """Rows of the table sink_rate for whole documents (None) or for first tokens."""
    column = pl.col("window")
    return rates.filter(column.is_null() if window is None else column == window)


def windows(rates: pl.DataFrame) -> list[int | None]:
    """The windows that occur, whole documents (None) last."""
    values = rates.drop_nulls("rate")["window"].unique().to_list()
    return sorted(values, key=lambda window: (window is None, window))


def mean_rate(rates: pl.DataFrame, key_set: str, window: int | None) -> float | None:
    """Over all (document, layer, head) that have a score; their number of documents differs between
    layers. None if there are none."""
    n, rows = pl.col("n_documents"), over(rates, window).filter(pl.col("key_set") == key_set)
    total = rows.select(
        pl.when(n.sum() > 0).then((pl.col("rate").fill_null(0) * n).sum() / n.sum())
    )
    return None if total.item() is None else float(total.item())


def n_counted(rates: pl.DataFrame, window: int | None) -> int:
    """Number of documents whose key 0 has a score, in the layer with most of them."""
    rows = over(rates, window).filter(pl.col("key_set") == "first_token")
    return int(rows.select(pl.col("n_documents").max().fill_null(0)).item())
