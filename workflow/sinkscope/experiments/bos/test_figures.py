"""The section on special tokens and beginnings: its sentences of tables whose answer is known."""

import polars as pl
import pytest

from drawing import figures_of
from records import bos
from sentences import said
from sinkscope.charts.figure import as_svg
from sinkscope.derive.job import write_derived
from sinkscope.experiments.bos import EXPERIMENT
from sinkscope.experiments.bos.figures import places, special
from sinkscope.tables.read import read_tables


def drawn(folder, **models):
    write([bos(folder, name, **more) for name, more in models.items()], folder)
    return figures(folder)


def write(parts, folder):
    write_derived("bos", parts, folder, None)


def figures(folder):
    tables = read_tables(folder, EXPERIMENT.tables)
    return {figure.name: figure for figure in figures_of("bos", **tables)}


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    return drawn(tmp_path_factory.mktemp("bos"), a={}, b={"word": 0.05, "moved": 0.02})


def test_every_figure_is_there_and_draws(both):
    assert list(both) == ["bos_on_off", "bos_first_word", "bos_places"]
    for figure in both.values():
        assert "n = 2 documents" in figure.caption
        assert "Unit: " in figure.caption
        assert "NaN" not in as_svg(figure.spec())
    assert (
        "a and b usually read texts without a special token in front" in both["bos_on_off"].caption
    )


def test_the_first_real_token_takes_over_from_half_on(both):
    finding = both["bos_on_off"].finding
    assert (finding.facts["n_over"], finding.facts["n_models"]) == (1, 2)
    for part in ("in most documents of 1 of 2 models",
                 "a (0.40 [0.40, 0.40] instead of 0.50 [0.50, 0.50] in layer 1)",
                 "b (0.05 [0.05, 0.05] instead of 0.50 [0.50, 0.50] in layer 1)"):  # fmt: skip
        assert part in finding.text


def test_one_document_of_two_decides_nothing():
    """The mean would: 0.45 is more than half of 0.6."""
    rows = [
        ("m", document, 0, name, first, second)
        for document, word in (("one", 0.9), ("two", 0.0))
        for name, first, second in (("with", 0.6, 0.0), ("without", 0.0, word))
    ]
    schema = ["model", "document", "layer", "input", "first_token", "first_word"]
    table = pl.DataFrame(rows, schema=schema, orient="row")
    takeovers = special.takeover(special.means(table, "with"), special.means(table, "without"))
    assert takeovers["part"].to_list() == pytest.approx([0.75])
    assert special.finding(takeovers, table).facts["n_over"] == 0


def test_a_model_that_puts_nothing_in_front_is_named(tmp_path):
    without = bos(tmp_path, "c")
    table = without / "bos.parquet"
    pl.read_parquet(table).clear().write_parquet(table)
    write([bos(tmp_path, "a"), without], tmp_path)
    assert "or no text has room for it: c. Formula" in figures(tmp_path)["bos_on_off"].caption


def test_another_first_word_changes_little(both):
    assert said(both["bos_first_word"].finding.text) == [
        "0", "2", "2", "0.50", "0.50", "0.50", "0.48", "0.48", "0.48", "1",
    ]  # fmt: skip


def test_a_model_without_other_first_words_is_not_counted(tmp_path):
    """No word was tried where a vocabulary has no ordinary words."""
    without = bos(tmp_path, "c")
    table = without / "position_content.parquet"
    pl.read_parquet(table).filter(pl.col("input") != "other_first_word").write_parquet(table)
    write([bos(tmp_path, "a"), without], tmp_path)
    assert said(figures(tmp_path)["bos_first_word"].finding.text)[:3] == ["0", "1", "1"]


def test_it_goes_to_the_place_that_gets_most_in_most_documents(both):
    facts = both["bos_places"].finding.facts
    assert facts["filler_end"] == [{"model": "a", "k": 2, "n": 2}]
    assert facts["first_terminator"] == [{"model": "b", "k": 2, "n": 2}]
    numbers = ["2", "2", "b", "2", "2"]  # in a to the filler, in b to the terminator
    assert said(both["bos_places"].finding.text, "b") == numbers


def test_a_tie_between_documents_decides_nothing():
    rows = [
        ("a", document, "filler", role, mass)
        for document, masses in (("one", (0.4, 0.1)), ("two", (0.1, 0.9)))
        for role, mass in zip(("filler_end", "first_terminator"), masses, strict=True)
    ]
    schema = ["model", "document", "input", "role", "mass"]
    found = places.finding(pl.DataFrame(rows, schema=schema, orient="row"))
    assert found.facts["filler_end"] == found.facts["first_terminator"] == []
    assert found.facts["undecided"] == [{"model": "a"}]
    assert said(found.text) == []


def test_every_document_is_beside_the_mean_of_its_place(both):
    values = both["bos_places"].data.filter(model="a")
    place = values.filter(place="sentence in front: the same position")
    assert dict(place.select("document", "value").rows()) == dict.fromkeys(
        ("all documents", "one", "two"), 0.01
    )
    assert values.height == 6 * 3


def test_what_was_not_measured_is_not_drawn(tmp_path):
    part = tmp_path / "part"
    part.mkdir()
    for name in EXPERIMENT.tables:
        pl.DataFrame(schema={"model": pl.String}).write_parquet(part / f"{name}.parquet")
    write([part], tmp_path)
    assert figures(tmp_path) == {}
    table = tmp_path / "position_content.parquet"
    bos(tmp_path, "a")
    source = tmp_path / "results/experiments/bos/a/position_content.parquet"
    pl.read_parquet(source).filter(pl.col("input") == "text").write_parquet(table)
    assert said(figures(tmp_path)["bos_places"].finding.text) == []
