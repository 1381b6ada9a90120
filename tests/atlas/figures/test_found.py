"""The section on sinks that are found: its sentences from tables whose answer is known."""

import polars as pl
import pytest

from drawing import figures_of
from sentences import said
from sinkscope.atlas.figures.found import histogram
from sinkscope.atlas.tables import TABLES
from sinkscope.charts.figure import as_svg

DOCUMENTS = ["a", "b"]
CLASSES = {"Z": "first", "the": "word", "</s>": "sep", "cat": "word"}


def table(name, rows):
    """Rows with some of a table's columns; the others are null."""
    schema = TABLES[name].schema
    full = [dict.fromkeys(schema) | row for row in rows]
    return pl.DataFrame(full, schema=schema, orient="row").sort(TABLES[name].sort)


def sink(layer, key, token, mass, share, document="a", state=False, attention=True, model="m"):
    return {
        "model": model, "document": document, "layer": layer, "key": key, "token": token,
        "key_class": CLASSES[token], "is_sink": attention, "by_attention": attention,
        "by_state": state or key == 0, "n_heads": 1, "mass": mass, "share_of_max_keys": share,
    }  # fmt: skip


def mass(layer, found, listed, document="a", model="m"):
    return [
        {"model": model, "document": document, "layer": layer, "key_set": name, "n_keys": 1,
         "mass": value}
        for name, value in (("sinks", found), ("listed_sinks", listed))
    ]  # fmt: skip


def counts(token, n_sinks, n_occurrences, n_close=0, model="m"):
    return {
        "model": model, "token": token, "key_class": CLASSES[token], "n_sinks": n_sinks,
        "n_occurrences": n_occurrences, "n_close": n_close, "first_layer": 0, "last_layer": 1,
        "peak_mass": 0.4,
    }  # fmt: skip


def figures(found, masses, tokens, models=("m",)):
    facts = [{"model": m, "family": "decoder", "attention": "softmax"} for m in models]
    documents = [{"model": m, "document": d} for m in models for d in DOCUMENTS]
    drawn = figures_of(
        "found_sinks",
        found_sinks=table("found_sinks", found),
        sink_mass=table("sink_mass", masses),
        sink_tokens=table("sink_tokens", tokens),
        documents=table("documents", documents),
        models=table("models", facts),
    )
    for figure in drawn:
        assert "NaN" not in as_svg(figure.spec())
        assert figure.caption.endswith(".")
    return {figure.name: figure for figure in drawn}


FOUND = [
    sink(0, 0, "Z", 0.3, 0.5),
    sink(0, 0, "Z", 0.3, 0.5, "b"),
    sink(1, 3, "the", 0.4, 0.02, state=True),
    sink(1, 5, "the", 0.2, 0.02, "b"),
    sink(1, 4, "cat", 0.0, 0.0, state=True, attention=False),
]
MASSES = [*mass(0, 0.3, 0.3), *mass(1, 0.5, 0.2), *mass(0, 0.3, 0.3, "b"), *mass(1, 0.3, 0.1, "b")]
TOKENS = [counts("Z", 2, 2), counts("the", 2, 9, n_close=1)]


@pytest.fixture(scope="module")
def drawn():
    return figures(FOUND, MASSES, TOKENS)


def test_what_a_list_misses_is_said_with_its_layer_and_token(drawn):
    assert said(drawn["found_sinks_models"].finding.text, "layer", "m", "word") == [
        "1", "1", "layer", "1", "m", "0.40", "0.30", "0.50", "0.15", "“the”", "word",
    ]  # fmt: skip
    strongest = drawn["found_sinks_models"].data.drop_nulls("token")
    assert strongest.select("layer", "token").rows() == [(0, "Z"), (1, "the")]


def test_a_document_too_short_to_be_judged_counts_for_neither_set():
    short = [*MASSES, *mass(1, None, 0.9, "c")]
    figure = figures(FOUND, short, TOKENS)["found_sinks_models"]
    listed = figure.data.filter(panel_name="listed sinks", layer=1)
    assert listed["mass"].to_list() == [pytest.approx(0.15)]


def test_where_the_list_is_enough_this_is_said():
    figure = figures(FOUND[:2], mass(0, 0.3, 0.3), TOKENS[:1])["found_sinks_models"]
    assert figure.finding.facts["missed"] == []
    assert said(figure.finding.text) == ["1", "0.10"]


def test_a_token_says_how_many_of_its_occurrences_are_sinks(drawn):
    figure = drawn["found_sinks_tokens"]
    assert said(figure.finding.text, "word", "m", "layers") == [
        "“the”", "word", "2", "9", "m", "layers", "0", "1", "0.40", "1",
    ]  # fmt: skip
    row = figure.data.filter(token="the").row(0, named=True)
    assert (row["layer"], row["n"], row["text"]) == (1, 2, "2 of 9")
    assert row["fraction"] == pytest.approx(2 / 9, abs=1e-6)
    assert row["mass"] == pytest.approx(0.3)


def test_each_token_has_its_count_once_at_the_right():
    two_layers = [*FOUND, sink(0, 3, "the", 0.2, 0.1)]
    figure = figures(two_layers, MASSES, TOKENS)["found_sinks_tokens"]
    assert figure.data.filter(token="the")["text"].to_list() == ["2 of 9", ""]
    svg = as_svg(figure.spec())
    assert svg.count(">2 of 9<") == 1
    assert ">null<" not in svg


def test_only_first_and_special_tokens_are_said_to_be_sinks_where_they_are():
    figure = figures(FOUND[:2], mass(0, 0.3, 0.3), TOKENS[:1])["found_sinks_tokens"]
    assert figure.finding.facts["tokens"] == []
    assert said(figure.finding.text) == []


def test_tokens_that_are_a_sink_once_are_not_passed_over():
    counted = [counts("Z", 2, 2), counts("cat", 1, 9)]
    figure = figures([sink(0, 0, "Z", 0.5, 0.5)], mass(0, 0.5, 0.5), counted)["found_sinks_tokens"]
    assert figure.finding.facts["n_once"] == 1
    assert said(figure.finding.text) == ["1"]


def test_a_sink_that_the_histogram_hides_is_named(drawn):
    figure = drawn["found_sinks_histogram"]
    assert said(figure.finding.text, "word", "layer", "m") == [
        "1", "layer", "0.10", "“the”", "word", "0.30", "0.20", "0.40", "layer", "1", "m", "2.0",
    ]  # fmt: skip


def test_where_the_histogram_hides_nothing_this_is_said():
    figure = figures(FOUND[:2], mass(0, 0.3, 0.3), TOKENS[:1])["found_sinks_histogram"]
    assert figure.finding.facts["n_hidden"] == 0
    assert said(figure.finding.text) == ["0.10"]


def test_both_rules_stand_side_by_side_without_key_0(drawn):
    figure = drawn["found_sinks_rules"]
    assert dict(figure.data.select("kind", "n").rows()) == {
        "both": 1, "attention alone": 1, "state alone": 1,
    }  # fmt: skip
    assert said(figure.finding.text, "m")[-4:-1] == ["m", "1", "“cat”"]


def test_many_models_are_not_listed():
    names = [f"m{i}" for i in range(6)]
    many = figures(
        [row | {"model": name} for name in names for row in FOUND],
        [row | {"model": name} for name in names for row in MASSES],
        [row | {"model": name} for name in names for row in TOKENS],
        names,
    )
    for figure in many.values():
        assert sum(name in figure.finding.text for name in names) <= 3
        assert figure.data["model"].n_unique() == 6


def test_nothing_found_is_drawn_as_no_mass():
    (figure,) = figures([], mass(0, 0.0, 0.1), []).values()
    assert figure.data.sort("mass")["mass"].to_list() == [0.0, 0.1]


def test_of_texts_too_short_to_be_judged_nothing_is_drawn():
    own_state = [sink(0, 0, "Z", 0.5, 0.5, attention=False)]  # key 0 is close to itself
    assert figures(own_state, mass(0, None, 0.1), []) == {}


def test_of_very_many_documents_the_tokens_with_the_most_mass_have_marks(monkeypatch):
    """Their numbers are those of the figure with all marks."""
    whole = figures(FOUND, mass(0, 0.3, 0.3), TOKENS)["found_sinks_histogram"]
    monkeypatch.setattr(histogram, "MOST_ROWS", 1)
    monkeypatch.setattr(histogram, "LEAST_MARKS", 1)
    few = figures(FOUND, mass(0, 0.3, 0.3), TOKENS)["found_sinks_histogram"]
    assert len(said(few.caption)) == len(said(whole.caption)) + 1  # how many marks are drawn
    marks, of_all = (figure.data.filter(document="all documents") for figure in (few, whole))
    assert marks.height == 1
    assert marks["mass"].item() == of_all["mass"].max()
    assert marks.row(0) in of_all.rows()


def test_a_document_too_short_to_be_judged_does_not_count_in_the_histogram():
    """Its sinks are not known: the first token is the max key of half of the queries of the other,
    and not of a quarter of all."""
    found = [sink(0, 0, "Z", 0.3, 0.5)]
    masses = [*mass(0, 0.3, 0.3), *mass(0, None, 0.3, "b")]
    figure = figures(found, masses, TOKENS[:1])["found_sinks_histogram"]
    of_all = figure.data.filter(document="all documents")
    assert of_all["share_of_max_keys"].item() == 0.5
    assert "n = 1 document per model" in figure.caption


def test_the_documents_of_the_strongest_marks_are_points(drawn):
    """A document in which the token is no sink counts as 0, and is a point there."""
    figure = drawn["found_sinks_histogram"]
    points = figure.data.filter(pl.col("document") != "all documents", token="the", layer=1)
    rows = points.select("document", "mass", "share_of_max_keys").rows()
    assert rows == [("a", 0.4, 0.02), ("b", 0.2, 0.02)]
    mean = figure.data.filter(document="all documents", token="the", layer=1)
    assert mean["mass"].item() == pytest.approx(0.3)
    assert "3 marks of a model with the most mass: the documents." in figure.caption
