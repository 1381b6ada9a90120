"""Differences of two tables: one case per kind, and properties of tables with a single change."""

import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sinkscope.diff.differences import compare

NAN = math.nan
KEY = ("model", "layer")


def table(**changes):
    columns = {"model": ["m", "m", "n"], "layer": [0, 1, 0], "mass": [0.25, 0.5, None]}
    return pl.DataFrame(columns | {"token": ["[SEP]", "a", "a"]} | changes)


def changed(found):
    """Each value that differs: its row of A and its column."""
    return [(a, column) for a, _, column in found.changes()]


def of_column(a, b, dtype=pl.Float64, tolerance=0.0):
    """Whether the values of one column differ, one by one."""
    frames = [pl.DataFrame({"x": pl.Series(values, dtype=dtype)}) for values in (a, b)]
    return compare(*frames, tolerance=tolerance).values["x"].to_list()


def test_tables_are_equal_whatever_the_order_of_rows_and_columns():
    found = compare(table(), table()[[2, 0, 1], ::-1], KEY)
    assert not found
    assert (found.n_values, found.n_rows, found.columns, changed(found)) == (0, 0, [], [])
    assert found.duplicates == (0, 0)


def test_a_value_that_differs_is_named_by_row_and_column():
    found = compare(table(), table(mass=[0.25, 0.75, None])[::-1], KEY)
    assert found
    assert list(found.changes()) == [(1, 1, "mass")]
    assert (found.n_values, found.n_rows, found.columns) == (1, 0, [])
    assert found.largest() == {"mass": 0.25}


def test_values_come_in_the_order_of_the_first_table():
    found = compare(table(), table(mass=[1.0, 1.0, 1.0], token=["b", "a", "b"])[::-1], KEY)
    order = [(0, "mass"), (0, "token"), (1, "mass"), (2, "mass"), (2, "token")]
    assert changed(found) == order
    assert [(a, column) for a, _, column in found.changes(2)] == order[:3]
    assert found.n_values == 5


def test_a_missing_row_leaves_the_others_equal():
    found = compare(table(), table()[1:], KEY)
    assert (found.only_a.to_list(), found.only_b.to_list()) == ([0], [])
    assert (found.n_rows, found.n_values) == (1, 0)
    found = compare(table()[:2], table()[[2, 0, 1]], KEY)
    assert (found.only_a.to_list(), found.only_b.to_list()) == ([], [0])


def test_a_row_with_another_key_is_a_row_of_each():
    found = compare(table(), table(layer=[0, 1, 7]), KEY)
    assert (found.only_a.to_list(), found.only_b.to_list(), found.n_values) == ([2], [2], 0)


def test_null_in_a_key_matches_null():
    windows = {"layer": [None, 0, None]}
    found = compare(table(**windows), table(**windows, mass=[0.25, 0.5, 1.0]), KEY)
    assert changed(found) == [(2, "mass")]
    assert found.n_rows == 0


def test_a_column_of_one_table_is_named_with_its_type():
    found = compare(table(), table().drop("mass"), KEY)
    assert found.columns == [("mass", pl.Float64, None)]
    assert (found.n_values, found.n_rows) == (0, 0)
    assert compare(table().drop("mass"), table(), KEY).columns == [("mass", None, pl.Float64)]


def test_a_column_of_another_type_is_named_and_not_compared():
    found = compare(table(), table().with_columns(pl.col("mass").cast(pl.Float32)), KEY)
    assert found.columns == [("mass", pl.Float64, pl.Float32)]
    assert changed(found) == []


@pytest.mark.parametrize(
    "other", [table().drop("layer"), table().with_columns(pl.col("layer").cast(pl.UInt16))]
)
def test_without_the_columns_of_the_key_rows_are_matched_by_position(other):
    found = compare(table(), other.with_columns(mass=pl.Series([0.25, 9.0, None])), KEY)
    assert found.key == ()
    assert [name for name, _, _ in found.columns] == ["layer"]
    assert changed(found) == [(1, "mass")]


def test_by_position_the_rows_at_the_end_are_left_over():
    found = compare(table(), table()[:1])
    assert (found.key, found.only_a.to_list(), found.only_b.to_list()) == ((), [1, 2], [])
    assert compare(table()[:1], table()).only_b.to_list() == [1, 2]
    assert changed(compare(table(), table()[::-1])) == [
        (0, "model"), (0, "mass"), (0, "token"), (2, "model"), (2, "mass"), (2, "token"),
    ]  # fmt: skip


def test_nan_null_and_zeros():
    values = [NAN, None, NAN, None, 0.0, 0.0, math.inf]
    others = [NAN, None, None, 0.0, -0.0, NAN, -math.inf]
    differ = [False, False, True, True, False, True, True]
    assert of_column(values, others) == of_column(others, values) == differ
    # A tolerance makes a number of neither: NaN and null stay what they are.
    assert of_column(values, others, tolerance=1e300) == differ
    assert of_column([math.inf], [math.inf], tolerance=0.1) == [False]
    assert of_column([NAN], [1.0], pl.Float32, tolerance=0.1) == [True]


def test_a_tolerance_includes_its_bound():
    above = math.nextafter(0.5, 1)
    assert (
        of_column([0.0] * 4, [0.5, -0.5, above, -above], tolerance=0.5) == [False] * 2 + [True] * 2
    )
    assert of_column([1e300], [-1e300], tolerance=1e300) == [True]
    assert of_column([1e9], [1e9 + 1], tolerance=0.5) == [True]  # absolute, not relative
    assert of_column([0.0], [math.nextafter(0, 1)]) == [True]  # without one: exact


def test_a_tolerance_is_exact_for_float32():
    step = 2**-24  # the distance of 0.5 to the next float32 below; float32 would round the rest
    assert of_column([0.5], [0.5 - step / 2], pl.Float32, step / 2) == [False]
    assert of_column([1.0], [-(2**-25)], pl.Float32, 1.0) == [True]


def test_a_tolerance_is_for_floats_alone():
    assert of_column([1, 2**62], [2, 2**62 + 1], pl.Int64, 10) == [True, True]
    assert of_column(["1.0"], ["1.00"], pl.String, 10) == [True]
    assert of_column([True, None], [False, None], pl.Boolean, 10) == [True, False]
    assert of_column([255], [0], pl.UInt8) == [True]


def test_lists_are_compared_as_a_whole():
    assert of_column([[1], None, [2]], [[1], [1], [3]], pl.List(pl.Int64)) == [False, True, True]


def twice(**columns):
    """Rows that all have the same key."""
    return pl.DataFrame({"key": ["k"] * len(next(iter(columns.values()))), **columns})


@pytest.mark.parametrize(
    ("a", "b", "rows", "values"),
    [
        ([1, 2, 3], [3, 1, 2], 0, []),
        ([1, 2, 3], [2, 3, 4], 0, [(0, "x")]),  # not each with its neighbour
        ([1, 1, 2], [1, 2, 2], 0, [(1, "x")]),  # how often counts
        ([1, 1], [1], 1, []),
        ([1], [1, 1, 2], 2, []),
        ([None, None, 1], [None, 1, None], 0, []),
    ],
)
def test_rows_with_one_key_hide_no_difference(a, b, rows, values):
    found = compare(twice(x=a), twice(x=b), ["key"])
    assert (found.n_rows, changed(found)) == (rows, values)
    assert found.duplicates == tuple(len(x) if len(x) > 1 else 0 for x in (a, b))


def test_rows_with_one_key_are_matched_by_what_is_exact():
    a = twice(x=[1.0, 1.01], y=["b", "a"], z=[[1], [2]])
    b = twice(x=[1.0, 1.01], y=["a", "b"], z=[[2], [1]])
    assert not compare(a, b, ["key"], tolerance=0.1)
    assert changed(compare(a, b, ["key"])) == [(0, "x"), (1, "x")]
    assert changed(compare(a, b.with_columns(z=pl.Series([[2], [3]])), ["key"], 0.1)) == [(0, "z")]


def test_columns_may_have_any_name():
    columns = {"a": [1, 2], "b": [1.0, 2.0], "0": ["x", "y"], "copy": [1, 1], "0_right": [0, 0]}
    frame = pl.DataFrame(columns)
    for key in (["a"], ["0", "copy"], ["copy"], ["0_right", "b"], []):
        assert not compare(frame, frame, key)
        assert compare(frame, frame[:1], key).only_a.to_list() == [1]


def test_empty_tables():
    empty = table()[:0]
    assert not compare(empty, empty, KEY)
    assert compare(empty, table(), KEY).n_rows == 3
    assert not compare(pl.DataFrame(), pl.DataFrame(), KEY)
    assert len(compare(pl.DataFrame(), table(), KEY).columns) == 4


FLOATS = st.one_of(st.none(), st.floats())
ROWS = st.lists(
    st.tuples(
        st.sampled_from("mn"), st.integers(0, 3), FLOATS, st.sampled_from(["[/]", "b", None])
    ),
    max_size=12,
)
SCHEMA = {"model": pl.String, "layer": pl.Int64, "mass": pl.Float64, "token": pl.String}


def frame_of(rows):
    return pl.DataFrame(rows, SCHEMA, orient="row")


@settings(max_examples=100)
@given(ROWS, st.randoms(use_true_random=False))
def test_a_table_equals_itself_shuffled(rows, random):
    """Also where rows share a key."""
    others = random.sample(rows, len(rows))
    assert not compare(frame_of(rows), frame_of(others), KEY)


@settings(max_examples=100)
@given(ROWS.filter(bool), st.randoms(use_true_random=False), st.data())
def test_exactly_the_value_that_was_changed_is_named(rows, random, data):
    rows = list({row[:2]: row for row in rows}.values())  # a row per key
    order = random.sample(range(len(rows)), len(rows))
    row = data.draw(st.sampled_from(range(len(rows))))
    column = data.draw(st.sampled_from(["mass", "token"]))
    frame = frame_of(rows)
    value = "another" if column == "token" else 0.5 if frame[column][row] != 0.5 else 0.25
    other = frame.clone()
    other[row, column] = value
    found = compare(frame, other[order], KEY)
    assert list(found.changes()) == [(row, order.index(row), column)]
    assert (found.n_values, found.n_rows) == (1, 0)


@settings(max_examples=100)
@given(ROWS.filter(bool), st.randoms(use_true_random=False), st.data())
def test_a_row_that_was_taken_out_is_one_row(rows, random, data):
    """Also where rows share a key: then one of the rows with its key and values is left over."""
    left = data.draw(st.sampled_from(range(len(rows))))
    others = [row for i, row in enumerate(rows) if i != left]
    found = compare(frame_of(rows), frame_of(random.sample(others, len(others))), KEY)
    assert (found.n_rows, found.n_values, len(found.only_b)) == (1, 0, 0)
    assert repr(rows[found.only_a[0]][:2]) == repr(rows[left][:2])


@settings(max_examples=100)
@given(ROWS, ROWS)
def test_no_difference_is_hidden(a, b):
    """Tables of the same rows, and only those, are equal; and the two sides may be swapped."""

    def rows(table):
        same = [(*row[:2], 0.0 if row[2] == 0 else row[2], row[3]) for row in table]
        return sorted(map(repr, same))

    there, back = (compare(frame_of(x), frame_of(y), KEY) for x, y in ((a, b), (b, a)))
    assert bool(there) == bool(back) == (rows(a) != rows(b))
    assert (there.n_values, there.n_rows) == (back.n_values, back.n_rows)
