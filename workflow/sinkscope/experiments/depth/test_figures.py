"""The section on compression valleys: its finding from tables whose answer is known."""

import polars as pl
import pytest

from drawing import figures_of
from records import depth
from sentences import said
from sinkscope.charts.figure import as_svg
from sinkscope.derive.job import write_derived
from sinkscope.experiments.depth import EXPERIMENT
from sinkscope.experiments.depth.figures.entropy import decades, facts_of, of_models
from sinkscope.tables.read import read_tables


def drawn(folder, **models):
    return figures(folder, [depth(folder, name, **more) for name, more in models.items()])


def figures(folder, parts):
    """Figures by name. parts: one folder for each."""
    write_derived("depth", parts, folder, None)
    tables = read_tables(folder, EXPERIMENT.tables)
    return {figure.name: figure for figure in figures_of("depth", **tables)}


def test_a_valley_of_key_0_is_named_with_its_layers_its_depth_and_the_norm(tmp_path):
    figure = drawn(tmp_path, a={}, b={"valley": None})["depth_entropy"]
    assert said(figure.finding.text, "b") == [
        "0", "1", "2", "2", "4", "1", "2", "150", "0.02", "0.02", "0.02", "2", "2", "2", "0",
        "0.60", "0.60", "0.60", "1", "b", "0.60", "0.60", "0.60", "0.50", "0.50", "0.50", "0",
        "3", "0.30", "0.30", "0.30",
    ]  # fmt: skip
    facts = figure.finding.facts
    assert facts["valleys"][0]["n_valley_layers"] == 2
    assert facts["closest"][0]["model"] == "b"
    assert "n = 2 documents" in figure.caption
    assert "Units: " in figure.caption
    assert "NaN" not in as_svg(figure.spec())


@pytest.mark.parametrize(("entropies", "k"), [((0.01, 0.4, 0.4), 0), ((0.01, 0.02, 0.59), 2)])
def test_a_valley_is_what_most_documents_show_not_their_mean(entropies, k):
    rows = pl.DataFrame(
        {
            "model": "a",
            "layer": 1,
            "document": ["one", "two", "three"],
            "entropy": entropies,
            "entropy_no_first": 0.6,
            "norm_ratio": 100.0,
        }
    )
    facts = facts_of(of_models(rows), rows)
    assert facts["n_valleys"] == bool(k)
    assert [(row["k"], row["n"]) for row in facts["valleys"]] == ([(k, 3)] if k else [])


def test_a_run_without_a_valley_says_so(tmp_path):
    assert said(drawn(tmp_path, b={"valley": None})["depth_entropy"].finding.text, "b") == [
        "0", "1", "1", "b", "0.60", "0.60", "0.60", "0.50", "0.50", "0.50", "0", "3", "b",
        "0.30", "0.30", "0.30",
    ]  # fmt: skip


def test_of_many_models_a_few_are_named(tmp_path):
    figure = drawn(tmp_path, **{name: {} for name in "abcde"})["depth_entropy"]
    assert figure.finding.text.startswith("Key 0 makes a compression valley in 5 of 5 models: in ")
    assert "; 2 more. Without key 0 " in figure.finding.text
    assert figure.data["model"].n_unique() == 5


def test_the_three_curves_are_the_means_over_documents(tmp_path):
    every = drawn(tmp_path, a={})["depth_entropy"].data.filter(layer=2)
    data = every.filter(document="all documents")
    assert dict(data.select("line", "value").iter_rows()) == pytest.approx(
        {"entropy of all tokens": 0.02, "entropy without key 0": 0.6, "norm of key 0": 150.0}
    )
    norm = every.filter(line="norm of key 0")
    assert dict(norm.select("document", "value").iter_rows()) == pytest.approx(
        {"all documents": 150.0, "one": 300.0, "two": 75.0}
    )
    ends = norm.drop_nulls("value_low").select("value_low", "value_high", "n_documents").row(0)
    assert ends == pytest.approx((75, 300, 2))


def test_a_key_0_without_any_state_draws(tmp_path):
    as_svg(drawn(tmp_path, a={"norm": 0.0})["depth_entropy"].spec())


def test_the_axis_of_the_norm_has_a_few_powers_of_ten():
    assert decades(0.9, 8) == [0.1, 1, 10]
    assert decades(0.02, 186) == pytest.approx([0.01, 1, 100])
    assert len(decades(1e-9, 1e9)) <= 6


def test_nothing_measured_nothing_drawn(tmp_path):
    part = tmp_path / "part"
    part.mkdir()
    pl.DataFrame(schema={"model": pl.String}).write_parquet(part / "matrix_entropy.parquet")
    assert figures(tmp_path, [part]) == {}
