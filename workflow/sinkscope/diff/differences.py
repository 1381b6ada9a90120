"""The differences of two tables, value by value."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl


@dataclass(frozen=True)
class Differences:
    """The result of `compare`. Rows are given as row numbers in `a` and in `b`, from 0.

    key: the columns that rows were matched by; () if they were matched by position.
    columns: name, type in `a` and type in `b` (None if the table lacks it) per column that only one
    table has or whose types differ. Their values are not compared.
    pairs: columns `a` and `b`, the matched rows. values: one boolean column per compared column,
    true where the values of a pair differ. only_a, only_b: rows without a match. duplicates: number
    of rows of `a` and of `b` that share their key with another row of their table.
    """

    a: pl.DataFrame
    b: pl.DataFrame
    key: tuple[str, ...]
    columns: list[tuple[str, pl.DataType | None, pl.DataType | None]]
    pairs: pl.DataFrame
    values: pl.DataFrame
    only_a: pl.Series
    only_b: pl.Series
    duplicates: tuple[int, int]

    @cached_property
    def n_values(self) -> int:
        return sum(int(column.sum()) for column in self.values)

    @property
    def n_rows(self) -> int:
        return len(self.only_a) + len(self.only_b)

    def __bool__(self) -> bool:
        """Whether the tables differ at all."""
        return bool(self.columns or self.n_rows or self.n_values)

    def changes(self, limit: int | None = None) -> Iterator[tuple[int, int, str]]:
        """Rows of `a` and `b`, and column, of each value that differs. limit: number of rows."""
        if not self.n_values:
            return
        differ = self.values.select(pl.any_horizontal(pl.all())).to_series().arg_true()
        for pair in differ.head(limit or len(differ)):
            for column in self.values:
                if column[pair]:
                    yield self.pairs["a"][pair], self.pairs["b"][pair], column.name

    def largest(self) -> dict[str, float]:
        """The largest |a - b| per float column with differing numbers."""
        largest = {}
        for differ in self.values:
            if differ.any() and self.a.schema[differ.name].is_float():
                pairs = self.pairs.filter(differ)
                a, b = (
                    frame[differ.name].gather(pairs[side])
                    for frame, side in ((self.a, "a"), (self.b, "b"))
                )
                numbers = _distance(a, b).drop_nulls().drop_nans()
                if len(numbers):
                    largest[differ.name] = float(numbers.to_numpy().max())
        return largest


def compare(
    a: pl.DataFrame, b: pl.DataFrame, key: Sequence[str] = (), tolerance: float = 0.0
) -> Differences:
    """The differences of two tables. The order of their columns does not count.

    key: columns that identify a row; without them, or if a table lacks one or has it in another
    type, rows are matched by position. Rows that share their key are matched too: equal rows first,
    then the others in the order of their values. tolerance: floats within it are equal. NaN equals
    NaN, null equals null, and -0.0 equals 0.0; NaN and null differ."""
    common = [name for name in a.columns if b.schema.get(name) == a.schema[name]]
    columns = [
        (name, a.schema.get(name), b.schema.get(name))
        for name in (a.schema | b.schema)
        if name not in common
    ]
    by = tuple(key) if set(key) <= set(common) else ()
    duplicates = (_n_duplicates(a, by), _n_duplicates(b, by))
    if any(duplicates):
        matches = _match_duplicates(a, b, by, [name for name in common if name not in by])
    elif by:
        matches = _match(_numbered(a.select(by), "a"), _numbered(b.select(by), "b"))
    else:
        matches = _by_position(a.height, b.height)
    pairs = matches.drop_nulls().sort("a")
    values = {
        name: _differ(a[name].gather(pairs["a"]), b[name].gather(pairs["b"]), tolerance)
        for name in common
        if name not in by
    }
    only_a = matches.filter(pl.col("b").is_null())["a"].sort()
    only_b = matches.filter(pl.col("a").is_null())["b"].sort()
    return Differences(a, b, by, columns, pairs, pl.DataFrame(values), only_a, only_b, duplicates)


def _differ(a: pl.Series, b: pl.Series, tolerance: float) -> pl.Series:
    """Boolean series, never null: whether each value of `a` differs from that of `b`."""
    differ = a.ne_missing(b)
    if tolerance and a.dtype.is_float():
        differ &= ~(_distance(a, b) <= tolerance).fill_null(False)
    return differ


def _distance(a: pl.Series, b: pl.Series) -> pl.Series:
    return (a.cast(pl.Float64) - b.cast(pl.Float64)).abs()


def _numbered(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """`frame` with columns renamed 0, 1, ... (no clash) and row numbers as `name`."""
    columns = {str(i): column for i, column in enumerate(frame)}
    return pl.DataFrame({**columns, name: pl.int_range(frame.height, eager=True)})


def _by_position(n_a: int, n_b: int) -> pl.DataFrame:
    """Columns `a` and `b`: numbers of matched rows; null if a row has no match."""
    rows = pl.DataFrame({"row": pl.int_range(max(n_a, n_b), eager=True)})
    row = pl.col("row")
    return rows.select(a=pl.when(row < n_a).then(row), b=pl.when(row < n_b).then(row))


def _match(a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
    """Like `_by_position`, for rows that agree in all columns except their numbers `a` and `b`."""
    on = [name for name in a.columns if name != "a"]
    return a.join(b, on=on, how="full", nulls_equal=True).select("a", "b")


def _n_duplicates(frame: pl.DataFrame, key: Sequence[str]) -> int:
    return int(frame.select(key).is_duplicated().sum()) if key else 0


def _match_duplicates(
    a: pl.DataFrame, b: pl.DataFrame, key: Sequence[str], others: list[str]
) -> pl.DataFrame:
    """Like `_match` by key, where several rows may share a key."""
    floats = {name for name in others if a.schema[name].is_float()}
    # Floats last: with a tolerance, they may differ where all else is equal.
    columns = [*key, *sorted(others, key=lambda name: name in floats)]
    left, right = _numbered(a.select(columns), "a"), _numbered(b.select(columns), "b")
    names = [str(i) for i in range(len(columns))]
    by = names[: len(key)]
    same = _match(_copies(left, names), _copies(right, names)).drop_nulls()
    left, right = (
        frame.join(same, on=name, how="anti").sort(names)
        for frame, name in ((left, "a"), (right, "b"))
    )
    rest = _match(
        _copies(left, by).select(*by, "copy", "a"), _copies(right, by).select(*by, "copy", "b")
    )
    return pl.concat([same, rest])


def _copies(frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """`frame` with the column `copy`: number of earlier rows with equal values in `columns`."""
    return frame.with_columns(copy=pl.int_range(pl.len()).over(columns))
