"""The section on norms at sink tokens: its findings from tables whose answer is known."""

import polars as pl
import pytest

from drawing import figures_of
from records import norms
from sentences import said
from sinkscope.charts.figure import as_svg
from sinkscope.derive.job import write_derived
from sinkscope.experiments.norms import EXPERIMENT
from sinkscope.tables.read import read_tables

NAMES = ["norms_ratios", "norms_positions", "norms_weighted", "norms_activations"]


def drawn(folder, **models):
    return figures(folder, [norms(folder, name, **more) for name, more in models.items()])


def figures(folder, parts):
    """Figures by name. parts: one folder for each."""
    write_derived("norms", parts, folder, None)
    tables = read_tables(folder, EXPERIMENT.tables)
    return {figure.name: figure for figure in figures_of("norms", **tables)}


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    return drawn(tmp_path_factory.mktemp("norms"), a={"massive": True}, b={"value": 0.8})


def test_every_figure_is_there_and_draws(both):
    assert list(both) == NAMES
    for figure in both.values():
        assert "n = " in figure.caption
        assert "Unit: " in figure.caption
        assert "NaN" not in as_svg(figure.spec())


def test_norms_of_keys_may_be_unknown(tmp_path):
    """Of models with attention in code of their own."""
    made = drawn(tmp_path, a={"key": float("nan")}, b={})
    assert list(made) == NAMES
    lines = made["norms_ratios"].data
    assert set(lines.filter(model="a")["line"]) == {
        "state, first token", "value, first token",
        "state, first terminator", "value, first terminator",
    }  # fmt: skip
    for figure in made.values():
        assert "NaN" not in as_svg(figure.spec())
    for name in ("norms_ratios", "norms_positions"):
        assert made[name].caption.endswith("unknown for a.")


def test_small_values_and_large_states_are_named(both):
    for part in ("most documents of 2 of 2 models", "a (layer 1: 0.10 [0.10, 0.10] \u00d7 theirs)",
                 "layer 1 of b (50.0 [50.0, 50.0] \u00d7 theirs)"):  # fmt: skip
        assert part in both["norms_ratios"].finding.text


def test_the_sink_survives_where_half_is_left(both):
    assert said(both["norms_weighted"].finding.text, "b") == [
        "1", "2", "0.60", "0.60", "0.60", "0.06", "0.06", "0.06", "1", "b", "0.60", "0.60",
        "0.60", "0.48", "0.48", "0.48", "1",
    ]  # fmt: skip


def test_massive_activations_are_named_with_dimensions_and_layers(both, tmp_path):
    assert said(both["norms_activations"].finding.text) == [
        "1", "2", "6", "7", "0", "1", "100.0", "3,000", "2", "2",
    ]  # fmt: skip
    assert said(drawn(tmp_path, b={})["norms_activations"].finding.text, "b") == [
        "b", "3,000", "0", "b", "750",
    ]  # fmt: skip


def test_the_smallest_value_after_the_first_is_named(both):
    assert said(both["norms_positions"].finding.text) == ["“t3”", "3", "0", "0.50"]


def test_numbers_of_the_sentence_are_facts(both):
    facts = both["norms_activations"].finding.facts
    assert [row["dimension"] for row in facts["dimensions"]] == [6, 7]
    assert facts["massive"][0]["largest"] == 3000
    assert facts["without"] == [{"model": "b"}]


def test_nothing_measured_nothing_drawn(tmp_path):
    part = tmp_path / "part"
    part.mkdir()
    for name in EXPERIMENT.frames:
        pl.DataFrame(schema={"model": pl.String}).write_parquet(part / f"{name}.parquet")
    assert figures(tmp_path, [part]) == {}
