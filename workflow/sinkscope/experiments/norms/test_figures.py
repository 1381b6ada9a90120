"""The section on norms at sink tokens: its findings from tables whose answer is known."""

import polars as pl
import pytest

from drawing import figures_of
from records import norms
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
        assert made[name].caption.endswith("The keys of a are not known.")


def test_small_values_and_large_states_are_named(both):
    for part in ("most documents of 2 of 2 models", "a (layer 1: 0.10 [0.10, 0.10] \u00d7 theirs)",
                 "layer 1 of b (50.0 [50.0, 50.0] \u00d7 theirs)"):  # fmt: skip
        assert part in both["norms_ratios"].finding.text


def test_the_sink_survives_where_half_is_left(both):
    assert both["norms_weighted"].finding.text == (
        "Where it is strongest, the first token keeps at least half of its attention in most "
        "documents of 1 of 2 "
        "models when keys are weighted by the norms of their values; least in a (0.60 [0.60, "
        "0.60] becomes 0.06 [0.06, 0.06] in layer 1), most in b (0.60 [0.60, 0.60] becomes 0.48 "
        "[0.48, 0.48] in layer 1)."
    )


def test_massive_activations_are_named_with_dimensions_and_layers(both, tmp_path):
    assert both["norms_activations"].finding.text == (
        "1 of 2 models has massive activations: in a dimensions 6 and 7, layers 0 to 1, 100.0% of "
        "them at the first token, up to 3,000."
    )
    assert drawn(tmp_path, b={})["norms_activations"].finding.text == (
        "There is no massive activation in b; the largest beside its layer's median is 3,000, in "
        "layer 0 of b (750 \u00d7 the median)."
    )


def test_the_smallest_value_after_the_first_is_named(both):
    assert both["norms_positions"].finding.text == (
        "After the first, the token with the smallest value is “t3” at 3, in layer 0 of a: 0.50 "
        "\u00d7 the median of its layer."
    )


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
