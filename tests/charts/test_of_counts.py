"""Counts of documents, of tables in memory and of stored ones."""

import polars as pl
import pytest

from sinkscope.charts.of_counts import counts_of, with_intervals
from sinkscope.tables.read import StoredTables

NAME = "max_attention_documents"


@pytest.fixture(params=["in memory", "stored"])
def tables(request, tmp_path):
    rows = [
        {"model": "m", "document": document, "token": token, "key_class": "word", "count": count}
        for document, counts in {"one": (3, 2, 5), "two": (1, 0, 1)}.items()
        for token, count in zip("abc", counts, strict=True)
    ]
    frame = pl.DataFrame(rows)
    if request.param == "in memory":
        return {NAME: frame}
    frame.write_parquet(tmp_path / f"{NAME}.parquet")
    return StoredTables(tmp_path, [NAME])


def test_what_no_share_is_about_is_one_row_per_document(tables):
    shares = pl.DataFrame(
        {"model": ["m"], "token": ["a"], "key_class": ["word"], "share": [4 / 12]}
    )
    counted = counts_of(tables, shares).sort("document", "token", nulls_last=True)
    assert counted.select("document", "token", "count").rows() == [
        ("one", "a", 3), ("one", None, 7), ("two", "a", 1), ("two", None, 1)
    ]  # fmt: skip
    (row,) = with_intervals(shares, counted).to_dicts()
    assert (row["low"], row["high"]) == pytest.approx((3 / 10, 1 / 2))
