"""Changes between two tables, and which are beyond their intervals."""

import numpy as np
import polars as pl
import pytest

from sentences import said
from sinkscope.compare.changes import BY_DOCUMENTS, BY_INTERVALS, BY_VALUES, changes_of
from sinkscope.compare.figure import figure

DOCUMENTS = [f"d{i}" for i in range(8)]


def means(values, half):
    frame = pl.DataFrame({"model": "m", "layer": range(len(values)), "mass": values})
    return frame.with_columns(mass_low=pl.col("mass") - half, mass_high=pl.col("mass") + half)


def per_document(values):
    """values: [document]."""
    return pl.DataFrame({"model": "m", "document": DOCUMENTS[: len(values)], "mass": values})


def test_values_with_intervals_changed_if_these_do_not_overlap():
    a, b = means([0.2, 0.2, 0.2, 0.2], 0.05), means([0.2, 0.29, 0.31, 0.05], 0.05)
    found = changes_of("sink_mass_means", a, b, ("model", "layer"))
    assert found.rule == BY_INTERVALS
    assert (found.n_compared, found.n_beyond) == (4, 2)
    rows = {row["layer"]: row for row in found.changes.iter_rows(named=True)}
    assert set(rows) == {1, 2, 3}
    assert [rows[layer]["is_beyond"] for layer in (1, 2, 3)] == [False, True, True]
    assert rows[3]["change"] == pytest.approx(-0.15)
    assert found.changes["layer"].to_list() == [3, 2, 1]  # beyond first, then by size


def test_an_interval_named_low_and_high_is_of_the_column_before_it():
    frame = pl.DataFrame({"model": ["m"], "rate": [0.5], "low": [0.4], "high": [0.6]})
    other = frame.with_columns(rate=pl.lit(0.9), low=pl.lit(0.8), high=pl.lit(1.0))
    found = changes_of("sink_rate", frame, other, ("model",))
    assert found.changes.row(0, named=True)["column"] == "rate"
    assert found.n_beyond == 1


def test_documents_are_compared_with_themselves():
    """A change of every document by the same amount is sure, however much documents differ."""
    values = np.linspace(0.05, 0.9, 8)
    shifted = changes_of(
        "sink_mass", per_document(values), per_document(values + 0.01), ("model", "document")
    )
    assert shifted.rule == BY_DOCUMENTS
    row = shifted.changes.row(0, named=True)
    assert (row["change"], row["low"], row["high"]) == pytest.approx((0.01, 0.01, 0.01))
    assert row["is_beyond"]
    noisy = values + np.array([0.1, -0.1] * 4)
    found = changes_of(
        "sink_mass", per_document(values), per_document(noisy), ("model", "document")
    )
    # As much up as down: the mean is 0, up to rounding.
    assert found.n_beyond == 0


def test_documents_of_one_run_do_not_count_and_one_document_is_not_judged():
    a = per_document([0.2, 0.4, 0.6])
    found = changes_of(
        "sink_mass", a, a.head(1).with_columns(mass=pl.lit(0.3)), ("model", "document")
    )
    row = found.changes.row(0, named=True)
    assert (row["a"], row["b"], row["n_documents"]) == pytest.approx((0.2, 0.3, 1))
    assert row["is_beyond"] is None
    assert len(found.differences.only_a) == 2


def test_equal_tables_have_no_changes_and_no_figure():
    a = means([0.2, float("nan")], 0.05)
    found = changes_of("sink_mass_means", a, a, ("model", "layer"))
    assert found.changes.is_empty()
    assert not found.differences
    assert figure(found) is None


def test_other_tables_are_counted_alone():
    a = pl.DataFrame({"model": ["m"], "text": ["x"]})
    found = changes_of("models", a, a.with_columns(text=pl.lit("y")), ("model",))
    assert (found.rule, found.n_compared, found.differences.n_values) == (BY_VALUES, 0, 1)


def test_the_figure_says_how_many_are_beyond():
    a, b = means([0.2] * 4, 0.05), means([0.2, 0.29, 0.31, 0.05], 0.05)
    drawn = figure(changes_of("sink_mass_means", a, b, ("model", "layer")))
    assert said(drawn.finding.text) == ["2", "4", "1"]
    assert drawn.data["verdict"].to_list().count("beyond the interval") == 2
