"""Arrays as rows: every entry stands in the row of its place."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinkscope.tables.arrays import rows_of


@given(st.lists(st.integers(1, 4), min_size=1, max_size=3))
def test_every_entry_is_in_the_row_of_its_place(shape):
    values = np.arange(np.prod(shape)).reshape(shape)
    axes = [f"axis_{i}" for i in range(len(shape))]
    rows = rows_of({"value": values, "double": 2 * values}, **dict.fromkeys(axes))
    assert rows.columns == [*axes, "value", "double"]
    assert rows.height == values.size
    for *place, value, double in rows.iter_rows():
        assert value == values[tuple(place)]
        assert double == 2 * value


def test_an_axis_has_the_labels_of_its_positions():
    rows = rows_of({"mass": np.array([[0.1, 0.2], [0.3, 0.4]])}, layer=None, key_set=["a", "b"])
    assert rows["layer"].to_list() == [0, 0, 1, 1]
    assert rows["key_set"].to_list() == ["a", "b", "a", "b"]
    assert rows["mass"].to_list() == [0.1, 0.2, 0.3, 0.4]


def test_as_many_axes_are_named_as_there_are():
    with pytest.raises(ValueError, match="zip"):
        rows_of({"mass": np.zeros((2, 2))}, layer=None)
