"""Changes between two runs in one table, and whether they exceed the variation between documents.

A table whose values have intervals (COLUMN_low, COLUMN_high) is compared by them: a change is
beyond the intervals if they do not overlap. A table with one row per document is compared document
by document: the mean of the differences B - A has a bootstrap interval over documents, and a change
is beyond it if it does not include 0. Documents of only one run do not count.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from sinkscope import means
from sinkscope.diff.differences import Differences, compare

BY_INTERVALS, BY_DOCUMENTS, BY_VALUES = "intervals", "documents", "values"


@dataclass(frozen=True)
class TableChanges:
    """One table. rule: how changes are tested, one of the three above.

    changes: the columns of `by` and of SCHEMA: change is B - A, with low and high for BY_DOCUMENTS;
    a_low, a_high, b_low, b_high are for BY_INTERVALS; is_beyond is null if it cannot be tested.
    Only rows whose value changed, those beyond the interval first, then by size. n_compared: values
    of both runs that were compared in this way. differences: of all values of the table.
    """

    name: str
    by: tuple[str, ...]
    rule: str
    changes: pl.DataFrame
    n_compared: int
    differences: Differences

    @property
    def n_beyond(self) -> int:
        return int(self.changes["is_beyond"].sum())


SCHEMA = {
    "column": pl.String,
    **dict.fromkeys(("a", "b", "change", "low", "high"), pl.Float64),
    **dict.fromkeys(("a_low", "a_high", "b_low", "b_high"), pl.Float64),
    "n_documents": pl.Int64,
    "is_beyond": pl.Boolean,
}


def changes_of(name: str, a: pl.DataFrame, b: pl.DataFrame, key: Sequence[str]) -> TableChanges:
    """key: columns that identify a row; () if they are unknown, then only values are compared."""
    differences = compare(a, b, key)
    matched = differences.key
    with_intervals = estimates(a, b) if matched else {}
    measured = [
        one for one in differences.values.columns if a.schema[one].is_float() and one not in matched
    ]
    if with_intervals:
        parts = [by_intervals(a, b, matched, one, ends) for one, ends in with_intervals.items()]
        return table_changes(name, matched, BY_INTERVALS, parts, differences)
    if "document" in matched and measured:
        by = tuple(one for one in matched if one != "document")
        return table_changes(
            name, by, BY_DOCUMENTS, by_documents(a, b, by, measured, differences), differences
        )
    return table_changes(name, matched, BY_VALUES, [], differences)


def estimates(a: pl.DataFrame, b: pl.DataFrame) -> dict[str, tuple[str, str]]:
    """The columns of both tables that have an interval, with the columns of its ends."""
    ends_of = {}
    for place, low in enumerate(a.columns):
        if low == "low" or low.endswith("_low"):
            high = f"{low.removesuffix('low')}high"
            column = low.removesuffix("_low") if low != "low" else a.columns[place - 1]
            if {column, low, high} <= set(a.columns) & set(b.columns):
                ends_of[column] = (low, high)
    return ends_of


def by_intervals(
    a: pl.DataFrame, b: pl.DataFrame, key: Sequence[str], column: str, ends: tuple[str, str]
) -> pl.DataFrame:
    sides = [
        frame.select(
            *key,
            pl.col(column).cast(pl.Float64).fill_nan(None).alias(side),
            *(
                pl.col(end).cast(pl.Float64).fill_nan(None).alias(f"{side}_{place}")
                for end, place in zip(ends, ("low", "high"), strict=True)
            ),
        )
        for side, frame in (("a", a), ("b", b))
    ]
    rows = sides[0].join(sides[1], on=list(key), how="inner", nulls_equal=True)
    apart = (pl.col("a_high") < pl.col("b_low")) | (pl.col("b_high") < pl.col("a_low"))
    return rows.drop_nulls(["a", "b"]).with_columns(
        column=pl.lit(column), change=pl.col("b") - pl.col("a"), is_beyond=apart
    )


def by_documents(
    a: pl.DataFrame,
    b: pl.DataFrame,
    by: Sequence[str],
    columns: Sequence[str],
    differences: Differences,
) -> list[pl.DataFrame]:
    """Means over the documents that both runs have a value of, per column. Columns that are equal
    are not resampled."""
    key, parts = [*by, "document"], []
    for column in columns:
        sides = [
            frame.select(*key, pl.col(column).cast(pl.Float64).fill_nan(None).alias(side))
            for side, frame in (("a", a), ("b", b))
        ]
        rows = sides[0].join(sides[1], on=key, how="inner", nulls_equal=True).drop_nulls(["a", "b"])
        if rows.is_empty() or rows.select(key).is_duplicated().any():
            continue
        if not differences.values[column].any():
            equal = rows.select(by).unique().with_columns(column=pl.lit(column), change=0.0)
            parts.append(equal)
            continue
        rows = rows.with_columns(change=pl.col("b") - pl.col("a"))
        mean = means.over_documents(rows, by, ["a", "b", "change"])
        apart = (pl.col("change_low") > 0) | (pl.col("change_high") < 0)
        parts.append(
            mean.select(
                *by,
                *("a", "b", "change"),
                column=pl.lit(column),
                low="change_low",
                high="change_high",
                n_documents=pl.col("change_n").cast(pl.Int64),
                is_beyond=pl.when(pl.col("change_n") > 1).then(apart),
            )
        )
    return parts


def table_changes(
    name: str,
    by: Sequence[str],
    rule: str,
    parts: Sequence[pl.DataFrame],
    differences: Differences,
) -> TableChanges:
    key: dict[str, Any] = {one: differences.a.schema[one] for one in by}
    whole = pl.concat(
        [pl.DataFrame(schema=key | SCHEMA), *parts],
        how="diagonal_relaxed",
    ).select(*key, *SCHEMA)
    changed = whole.filter(pl.col("change") != 0)
    order = [pl.col("is_beyond").fill_null(False), pl.col("change").abs()]
    ordered = changed.sort(order, descending=True, maintain_order=True)
    return TableChanges(name, tuple(by), rule, ordered, whole.height, differences)
