"""The section on the second sink: its findings from tables whose answer is known."""

import polars as pl
import pytest

from drawing import figures_of
from records import second_sink
from sinkscope.charts.figure import as_svg
from sinkscope.derive.job import write_derived
from sinkscope.experiments.second_sink import EXPERIMENT
from sinkscope.tables.read import read_tables

KINDS = ["heads", "maps", "mass", "ratio", "controls", "states", "convergence", "matrix", "local"]
NAMES = [f"second_sink_{kind}" for kind in KINDS]


def drawn(folder, *models):
    """models: name and arguments of records.second_sink. Figures by name."""
    return figures(tables_of(folder, *models))


def tables_of(folder, *models):
    return derived(folder, [second_sink(folder, name, **more) for name, more in models])


def derived(folder, parts):
    """The tables of the experiment. parts: one folder for each."""
    write_derived("second_sink", parts, folder, 0.1)
    return read_tables(folder, EXPERIMENT.tables)


def figures(tables):
    return {figure.name: figure for figure in figures_of("second_sink", **tables)}


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("second")
    return drawn(folder, ("a", {"masses": [0.0, 0.36, 0.24]}), ("b", {"masses": [0.02, 0.03, 0.0]}))


def test_every_figure_is_there_and_draws(both):
    assert list(both) == NAMES
    for figure in both.values():
        assert "n = " in figure.caption
        assert "Unit: " in figure.caption
        svg = as_svg(figure.spec())
        assert "undefined" not in svg
        assert "NaN" not in svg
        assert figure.data.height > 0


def test_documents_of_another_script_are_drawn_without_other_marks(tmp_path):
    """Where their full stop is not exchanged, alone and beside a model of English documents."""
    for others in ([], [("b", {})]):
        figures = drawn(tmp_path / str(len(others)), ("a", {"marks": ("。",)}), *others)
        assert list(figures) == NAMES
        for figure in figures.values():
            assert "undefined" not in as_svg(figure.spec())
        assert set(figures["second_sink_controls"].data["kind"]) >= {"next terminator"}


def test_the_sentence_says_where_it_is_born_and_ends(both):
    assert both["second_sink_mass"].finding.text == (
        "The first terminator gets 0.1 of the attention of later queries in 1 of 2 models: in a "
        "it is born in layer 1 and ends in layer 2, strongest in layer 1 with 0.36 [0.36, "
        "0.36] (0.90 \u00d7 what the first token gets); not in b. With another mark exchanged for "
        "it, that place gets 0.1 or more in 1 model (0.36 with “!” in layer 1 of a); with a "
        "comma, which ends no sentence, in no model. Some other token than the first gets as much "
        "in 1 of 2 models, most in layer 1 of a (0.36; “.” in 2 of 2 documents)."
    )


def test_where_there_is_none_the_sentence_says_so(tmp_path):
    by_name = drawn(tmp_path, ("b", {"masses": [0.02, 0.03, 0.0]}))
    assert by_name["second_sink_mass"].finding.text.startswith(
        "In the texts as they are there is no second sink: in no layer of b does the first "
        "terminator get 0.1 of the attention of later queries; it gets most in layer 1 of b, 0.03 "
    )
    assert (
        "No other mark in its place gets 0.1; with a comma"
        in by_name["second_sink_mass"].finding.text
    )


def test_a_mark_that_is_a_second_sink_where_the_texts_own_is_not_is_named(tmp_path):
    """The table marks such layers: to say that there is no second sink would contradict it."""
    tables = tables_of(tmp_path, ("b", {"masses": [0.02, 0.03, 0.0]}))
    at = (pl.col("mark") == "?") & (pl.col("layer") == 1)
    comma = (pl.col("mark") == ",") & (pl.col("layer") == 2)
    layers = tables["second_sink_layers"].with_columns(
        second_sink=pl.when(at).then(0.16).when(comma).then(0.12).otherwise("second_sink"),
        is_second_sink=at | comma,
    )
    by_name = figures(tables | {"second_sink_layers": layers})
    assert (
        "With another mark exchanged for it, that place gets 0.1 or more in 1 model (0.16 with “?” "
        "in layer 1 of b); with a comma, which ends no sentence, in 1 model."
    ) in by_name["second_sink_mass"].finding.text


def test_the_ratio_is_that_of_layers_with_a_sink(both, tmp_path):
    assert both["second_sink_ratio"].finding.text == (
        "Among layers where the first token gets 0.1 of the attention or more, the first "
        "terminator comes nearest to it in layer 1 of a: 0.90 [0.90, 0.90] \u00d7 as much (0.36 to "
        "0.40)."
    )
    # Where nothing goes to the terminator there is no ratio that a logarithmic axis could show.
    every = both["second_sink_ratio"].data.filter(model="a", line="first terminator")
    shown = every.filter(document="all documents")
    assert shown["layer"].to_list() == [1, 2]
    assert shown.select("value", "value_low", "value_high", "n_documents").row(0) == (
        pytest.approx((0.9, 0.9, 0.9, 2))
    )
    assert set(every.filter(layer=1)["document"]) == {"all documents", "one", "two"}


def test_the_comma_is_the_control(both):
    assert both["second_sink_controls"].finding.text == (
        "A full stop gets more than a comma in its place in 2 of 2 models, in a 0.360 "
        "[0.360, 0.360] against 0.010 [0.010, 0.010]; more than the next terminator in 2 of 2."
    )


def test_maps_mark_both_columns_and_name_the_strongest(both):
    figure = both["second_sink_maps"]
    assert "in layer 1 of a: later queries give it 0.36" in figure.finding.text
    assert "that of “.” at 8" in figure.finding.text
    assert as_svg(figure.spec()).count('stroke="#d55e00"') == 2 * 4  # ticks x maps


def test_single_heads_are_drawn_with_their_layer_and_head(both):
    figure = both["second_sink_heads"]
    assert figure.finding.text == (
        "On this text head 2 of layer 0 of a gives the first token 0.40 of its attention; head 2 "
        "of layer 0 of b gives the first token 0.40 of its attention."
    )
    svg = as_svg(figure.spec())
    assert svg.count("layer 0, head 2") == svg.count("layer 1, head 1") == 2


def test_states_and_convergence_name_the_nearest(both):
    assert both["second_sink_states"].finding.text == (
        "Nearest to the first token's state is the first terminator's in layer 1 of a: cosine "
        "0.900 [0.900, 0.900], unit-vector distance 0.45; other tokens there have 0.100, a comma "
        "in its place 0.200."
    )
    assert (
        "most alike in layer 1 of a (mean cosine 0.990)"
        in both["second_sink_convergence"].finding.text
    )


def test_local_attention_is_held_against_the_naive_expectation(both):
    """Key 0 has 0.8 of the first sentence; later the second sink has, in the two layers that hold
    it, 0.75 of what key 0 has."""
    figure = both["second_sink_local"]
    assert figure.finding.text == (
        "Where most is expected of it, in a, the first terminator should divide local attention "
        "by 1.60 [1.60, 1.60]; it is divided by 1.00 [1.00, 1.00] (0.12 before, 0.12 after, mean "
        "over 2 documents). It drops by less than expected in 2 of 2 decoders."
    )
    expected = figure.data.filter(model="a", document="one", form="all keys")
    values = expected["expected"].unique().sort().to_list()
    assert values == pytest.approx([0.12 / 1.6, 0.12], abs=1e-6)


def test_local_attention_of_the_layer_that_the_study_shows_stands_beside_the_mean(tmp_path):
    """Of three layers the first is at the depth of layer 5 of 32: nothing goes to its terminator,
    so that no drop is expected."""
    figure = drawn(tmp_path, ("a", {"masses": [0.0, 0.36, 0.24]}))["second_sink_local"]
    rows = figure.data.filter(form="all keys, one layer", document="one")
    assert rows["query"].to_list() == list(range(40))
    assert rows["expected"].unique().to_list() == pytest.approx([0.12])
    assert "layer 0" in as_svg(figure.spec())


def test_numbers_of_the_sentence_are_facts(both):
    facts = both["second_sink_mass"].finding.facts
    assert (facts["n_held"], facts["n_models"], facts["threshold"]) == (1, 2, 0.1)
    [held] = facts["held"]
    assert held["mass"] / held["ratio"] == pytest.approx(0.4)
    assert facts["without"] == [{"model": "b"}]


def test_one_document_is_compared_with_no_other(tmp_path):
    tables = tables_of(tmp_path, ("a", {}))
    same = tables["second_sink_states"].filter(pl.col("document") == pl.col("other"))
    assert "second_sink_matrix" not in figures(tables | {"second_sink_states": same})


def test_without_any_attention_on_the_terminator_there_is_no_ratio(tmp_path):
    by_name = drawn(tmp_path, ("a", {"masses": [0.0, 0.0, 0.0]}))
    assert list(by_name) == [name for name in NAMES if name != "second_sink_ratio"]


def test_no_sentence_no_figure(tmp_path):
    part = tmp_path / "part"
    part.mkdir()
    for name in EXPERIMENT.frames:
        pl.DataFrame(schema={"model": pl.String}).write_parquet(part / f"{name}.parquet")
    assert figures(derived(tmp_path, [part])) == {}
