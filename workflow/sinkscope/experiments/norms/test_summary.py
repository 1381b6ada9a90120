"""Norms over documents."""

import polars as pl
import pytest

from sinkscope.experiments.norms.summary import of_models, of_sets, peaks


def test_ratios_have_a_geometric_mean_over_documents():
    nan = float("nan")
    table = pl.DataFrame(
        {
            "model": "m", "layer": 0, "sink": "first_token", "document": ["a", "b", "c"],
            "state": [1.0, 100.0, nan], "key": [2.0, 2.0, nan], "value": [0.1, 0.4, nan],
        }
    )  # fmt: skip
    row = of_models(table).row(0, named=True)
    assert [row[name] for name in ("state", "key", "value")] == pytest.approx([10, 2, 0.2])
    assert row["state_n"] == 2
    assert [row["state_low"], row["key_low"], row["value_low"]] == pytest.approx([1, 2, 0.1])
    assert [row["state_high"], row["key_high"], row["value_high"]] == pytest.approx([100, 2, 0.4])


def test_sinks_of_one_name_count_once_for_a_document():
    table = pl.DataFrame(
        {
            "model": "m", "layer": 0, "sink": "sep", "document": ["a", "a", "b"],
            "state": [1.0, 4.0, 8.0], "key": 1.0, "value": 1.0,
        }
    )  # fmt: skip
    assert of_models(table)["state"].to_list() == pytest.approx([4.0])


def test_the_peak_is_where_the_first_token_gets_most_the_first_of_equals():
    table = pl.DataFrame(
        {
            "model": "m", "document": "a", "key_set": "first_token", "layer": [0, 1, 2],
            "mass": [0.1, 0.6, 0.6], "norm_mass": [0.1, 0.2, 0.3],
        }
    )  # fmt: skip
    other = table.with_columns(key_set=pl.lit("sinks"), mass=pl.lit(0.9))
    [row] = peaks(of_sets(pl.concat([table, other]))).iter_rows(named=True)
    assert (row["layer"], row["mass"], row["norm_mass"]) == (1, 0.6, 0.2)
