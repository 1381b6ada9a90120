"""The section on the second sink: its findings from tables whose answer is known."""

import polars as pl
import pytest

from drawing import figures_of
from records import second_sink
from sentences import said
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
    assert said(both["second_sink_mass"].finding.text, "b") == [
        "0.1", "1", "2", "1", "2", "1", "0.36", "0.36", "0.36", "0.90", "0.1", "2", "2", "b", "0.1",
        "1", "0.36", "“!”", "1", "0.1", "1", "2", "1", "0.36", "“.”", "2", "2",
    ]  # fmt: skip


def test_where_there_is_none_the_sentence_says_so(tmp_path):
    by_name = drawn(tmp_path, ("b", {"masses": [0.02, 0.03, 0.0]}))
    numbers = ["b", "0.1", "1", "b", "0.03"]
    assert said(by_name["second_sink_mass"].finding.text, "b")[:5] == numbers


def test_a_mark_that_is_a_second_sink_where_the_texts_own_is_not_is_named(tmp_path):
    """The table marks such layers: to say that there is no second sink would contradict it."""
    tables = tables_of(tmp_path, ("b", {"masses": [0.02, 0.03, 0.0]}))
    at = (pl.col("mark") == "?") & (pl.col("layer") == 1)
    comma = (pl.col("mark") == ",") & (pl.col("layer") == 2)
    mass = pl.when(at).then(0.16).when(comma).then(0.12).otherwise("second_sink")
    layers = tables["second_sink_layers"].with_columns(second_sink=mass, is_second_sink=at | comma)
    documents = tables["second_sink"].with_columns(second_sink=mass)
    by_name = figures(tables | {"second_sink_layers": layers, "second_sink": documents})
    text = by_name["second_sink_mass"].finding.text
    of_marks = text[text.index("With another mark") : text.index(" A token other")]
    assert said(of_marks, "b") == ["0.1", "1", "0.16", "“?”", "1", "b", "1"]


def test_a_mean_that_one_of_two_documents_makes_is_no_second_sink(tmp_path):
    tables = tables_of(tmp_path, ("b", {"masses": [0.02, 0.03, 0.0]}))
    at = pl.col("layer") == 1
    one = at & pl.col("is_own") & (pl.col("document") == "one")
    documents = tables["second_sink"].with_columns(
        second_sink=pl.when(one).then(0.4).otherwise("second_sink")
    )
    own = at & (pl.col("mark") == "own")
    layers = tables["second_sink_layers"].with_columns(
        second_sink=pl.when(own).then(0.21).otherwise("second_sink"), is_second_sink=own
    )
    by_name = figures(tables | {"second_sink_layers": layers, "second_sink": documents})
    text = by_name["second_sink_mass"].finding.text
    assert text.startswith("In no layer of b ")
    assert "0.1 or more in 1 of 2 documents" in text


def test_the_ratio_is_that_of_layers_with_a_sink(both, tmp_path):
    assert said(both["second_sink_ratio"].finding.text) == [
        "0.1", "1", "0.90", "0.90", "0.90", "0.36", "0.40",
    ]  # fmt: skip
    # Where nothing goes to the terminator there is no ratio that a logarithmic axis could show.
    every = both["second_sink_ratio"].data.filter(model="a", line="first terminator")
    shown = every.filter(document="all documents")
    assert shown["layer"].to_list() == [1, 2]
    assert shown.select("value", "value_low", "value_high", "n_documents").row(0) == (
        pytest.approx((0.9, 0.9, 0.9, 2))
    )
    assert set(every.filter(layer=1)["document"]) == {"all documents", "one", "two"}


def test_the_comma_is_the_control(both):
    assert said(both["second_sink_controls"].finding.text) == [
        "2", "2", "0.360", "0.360", "0.360", "0.010", "0.010", "0.010", "2", "2",
    ]  # fmt: skip


def test_maps_mark_both_columns_and_name_the_strongest(both):
    figure = both["second_sink_maps"]
    assert "in layer 1 of a: later queries give it 0.36" in figure.finding.text
    assert "that of “.” at 8" in figure.finding.text
    assert as_svg(figure.spec()).count('stroke="#d55e00"') == 2 * 4  # ticks x maps


def test_single_heads_are_drawn_with_their_layer_and_head(both):
    figure = both["second_sink_heads"]
    assert said(figure.finding.text, "b") == ["2", "0", "0.40", "2", "0", "b", "0.40"]
    svg = as_svg(figure.spec())
    assert svg.count("layer 0, head 2") == svg.count("layer 1, head 1") == 2


def test_states_and_convergence_name_the_nearest(both):
    assert said(both["second_sink_states"].finding.text) == [
        "1", "0.900", "0.900", "0.900", "0.45", "0.100", "0.200",
    ]  # fmt: skip
    assert said(both["second_sink_convergence"].finding.text)[:2] == ["1", "0.990"]


def test_local_attention_is_held_against_the_naive_expectation(both):
    """Key 0 has 0.8 of the first sentence; later the second sink has, in the two layers that hold
    it, 0.75 of what key 0 has."""
    figure = both["second_sink_local"]
    assert said(figure.finding.text) == [
        "1.60", "1.60", "1.60", "1.00", "1.00", "1.00", "0.12", "0.12", "2", "2", "2",
    ]  # fmt: skip
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
