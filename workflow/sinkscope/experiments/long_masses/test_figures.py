"""The figure of long masses: its finding from tables whose answer is known."""

import polars as pl

from drawing import figures_of
from sentences import said
from sinkscope.charts.figure import as_svg
from sinkscope.experiments.long_masses import EXPERIMENT
from sinkscope.tables.contract import conform


def table(rows):
    frame = pl.LazyFrame(
        [
            {"model": model, "document": document, "layer": layer, "key_set": key_set,
             "n_keys": 1, "n_tokens": n_tokens, "n_queries": n_queries, "mass": mass,
             "mass_error": error, "mass_low": None if error is None else mass - 2 * error,
             "mass_high": None if error is None else mass + 2 * error, "strict_mass": mass,
             "strict_mass_error": None, "strict_mass_low": None, "strict_mass_high": None}
            for model, document, layer, key_set, n_tokens, n_queries, mass, error in rows
        ]
    )  # fmt: skip
    return conform(frame, EXPERIMENT.tables["long_masses"]).collect()


def test_a_sample_stands_with_its_interval_and_all_queries_without():
    (figure,) = figures_of(
        "long_masses",
        long_masses=table(
            [
                ("a", "long", 0, "first_token", 4000, 500, 0.5, 0.01),
                ("a", "long", 1, "first_token", 4000, 500, 0.7, 0.02),
                ("a", "long", 1, "word", 4000, 500, 0.9, 0.02),
                ("a", "short", 1, "first_token", 100, 100, 0.9, None),
                ("b", "short", 0, "first_token", 100, 100, 0.25, None),
            ]
        ),
    )
    assert said(figure.finding.text, "b") == [
        "4,000", "0.70", "0.66", "0.74", "1", "500", "4,000", "b", "100", "0.25", "0",
    ]  # fmt: skip
    assert set(figure.data["document"]) == {"long", "short"}
    svg = as_svg(figure.spec())
    assert "attention on the first token" in svg


def test_only_the_longest_documents_are_drawn():
    rows = [("a", f"d{n}", 0, "first_token", n, n, 0.5, None) for n in range(100, 107)]
    (figure,) = figures_of("long_masses", long_masses=table(rows))
    assert set(figure.data["document"]) == {"d103", "d104", "d105", "d106"}
