"""The section on the length of texts: its finding from tables whose answer is known."""

import numpy as np
import polars as pl
import pytest

from drawing import figures_of
from records import lengths
from sentences import said
from sinkscope.charts.figure import as_svg
from sinkscope.derive.job import write_derived
from sinkscope.experiments.lengths import EXPERIMENT
from sinkscope.tables.read import read_tables


def drawn(folder, **models):
    return figures(folder, [lengths(folder, name, **more) for name, more in models.items()])


def figures(folder, parts):
    """Figures by name. parts: one folder for each."""
    write_derived("lengths", parts, folder, None)
    tables = read_tables(folder, EXPERIMENT.tables)
    return {figure.name: figure for figure in figures_of("lengths", **tables)}


def even(n_tokens):
    return np.mean(1 / np.arange(1, n_tokens + 1))


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Of the first model attention is 0.9, 0.72, 0.58, 0.46; of the second it does not fall."""
    folder = tmp_path_factory.mktemp("lengths")
    return drawn(folder, a={}, b={"mass": 0.3, "halving": 1.0, "longest": 70})


def test_the_fall_and_the_distance_from_an_even_spread_are_named(both):
    figure = both["lengths_first_token"]
    assert said(figure.finding.text, "b") == [
        "16", "64", "1", "1", "2", "0.90", "0.58", "1", "2", "2",
        "64", f"{0.3 / even(64):.1f}", "b", f"{0.576 / even(64):.1f}",
    ]  # fmt: skip
    assert figure.finding.facts["longest"] == 64
    assert figure.finding.facts["most"][0]["short"] == pytest.approx(0.9)
    assert "n = 2 documents" in figure.caption
    assert "NaN" not in as_svg(figure.spec())


def test_means_and_baseline_are_at_the_lengths_that_documents_share(both):
    data = both["lengths_first_token"].data.filter(model="b")
    assert set(data["layer"]) == {1}
    assert data.filter(line="mean over documents")["tokens"].to_list() == [16, 32, 64]
    assert sorted(data.filter(line="one document")["tokens"]) == [10, 16, 32, 64, 70]
    np.testing.assert_allclose(
        data.filter(line="uniform attention")["value"], [even(n) for n in (16, 32, 64)], atol=1e-6
    )


def test_the_mean_has_a_band_over_the_documents_that_are_as_long(tmp_path):
    """Another document of the same lengths gives less."""
    drawn(tmp_path, a={})
    table = pl.read_parquet(tmp_path / "sink_lengths.parquet")
    one = table.filter(document="one")
    other = one.with_columns(document=pl.lit("other"), mass=pl.col("mass") / 2)
    (figure,) = figures_of("lengths", sink_lengths=pl.concat([table, other]))
    mean = figure.data.filter(line="mean over documents")
    assert mean["n_documents"].to_list() == [2] * mean.height
    own = one.filter(layer=1, key_set="first_token").sort("n_tokens")["mass"]
    assert mean["value_high"].to_list() == pytest.approx(own.to_list(), abs=1e-6)
    assert mean["value_low"].to_list() == pytest.approx((own / 2).to_list(), abs=1e-6)
    rest = figure.data.filter(pl.col("line") != "mean over documents")
    assert rest["value_low"].null_count() == rest.height


def test_one_model_whose_sink_stays(tmp_path):
    text = drawn(tmp_path, b={"halving": 1.0})["lengths_first_token"].finding.text
    assert said(text, "b") == [
        "16", "128", "1", "0", "1", "1", "1", "128", f"{0.9 / even(128):.1f}", "b",
    ]  # fmt: skip


def test_without_a_document_of_32_tokens_nothing_is_compared(tmp_path):
    assert drawn(tmp_path, a={"longest": 31}) == {}


def test_nothing_measured_nothing_drawn(tmp_path):
    part = tmp_path / "part"
    part.mkdir()
    pl.DataFrame(schema={"model": pl.String}).write_parquet(part / "sink_lengths.parquet")
    assert figures(tmp_path, [part]) == {}
