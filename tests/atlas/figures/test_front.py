"""The opening picture: parts of attention by layer, and the facts of its sentence."""

import polars as pl
import pytest

from sinkscope.atlas.figures import shares
from sinkscope.atlas.figures.front import by_layer
from sinkscope.findings.finding import Finding
from sinkscope.report import front

FIRST = {"soft": [[0.8, 0.2], [0.6, 0.1]], "free": [[0.3, 0.1], [0.3, 0.1]]}  # [document][layer]
ROW_SUM = {"soft": 1.0, "free": 3.0}
DOCUMENTS = ("one", "two")


def tables(first=None, text=((0.0, 0.3), (0.0, 0.2))):
    """Two models of two layers and two documents. text: what “the” at key 5 of `soft` gets where it
    is a sink, by document and layer."""
    cells = [(m, d, layer) for m in FIRST for d in range(2) for layer in range(2)]
    masses, found, heads = [], [], []
    for model, d, layer in cells:
        where = {"model": model, "document": DOCUMENTS[d], "layer": layer}
        mass = (first or FIRST)[model][d][layer]
        masses.append({**where, "key_set": "first_token", "mass": mass, "uniform_mass": 0.1})
        other = text[d][layer] if model == "soft" else 0.0
        sinks = {**where, "key_set": "sinks", "mass": mass + other, "uniform_mass": 0.2}
        masses.append(sinks)
        for key, token, key_class, value in ((0, "Z", "first", mass), (5, "▁the", "word", other)):
            row = {**where, "key": key, "token": token, "key_class": key_class, "mass": value}
            found.append({**row, "is_sink": value > 0})
        heads += [{**where, "head": head, "row_sum": ROW_SUM[model]} for head in range(2)]
    held = {"model": "soft", "token": "▁the", "key_class": "word", "n_documents": 2}
    return {
        "sink_mass": pl.DataFrame(masses),
        "found_sinks": pl.DataFrame(found),
        "heads": pl.DataFrame(heads),
        "sink_tokens": pl.DataFrame([held]),
        "documents": pl.DataFrame({"model": "soft", "document": d} for d in DOCUMENTS),
        "models": pl.DataFrame(
            {
                "model": ["soft", "free"],
                "attention": ["softmax", "sigmoid"],
                "source": ["package:soft", "zoo:free"],
            }
        ),
    }


def test_other_attention_is_compared_as_part_of_its_row():
    mean = shares.over_documents(shares.of_documents(tables()))
    found = {(m, layer): value for m, layer, value in mean.select("model", "layer", "first").rows()}
    expected = {("soft", 0): 0.7, ("soft", 1): 0.15, ("free", 0): 0.1, ("free", 1): 0.1 / 3}
    assert found == pytest.approx(expected)
    text = mean.filter(model="soft").sort("layer")["text"].to_list()
    assert text == pytest.approx([0, 0.25])


def test_sinks_are_not_judged_in_short_documents():
    made = tables()
    short = pl.col("document").eq("two") & pl.col("key_set").eq("sinks")
    made["sink_mass"] = made["sink_mass"].with_columns(
        mass=pl.when(short).then(None).otherwise("mass")
    )
    mean = shares.over_documents(shares.of_documents(made)).filter(model="soft", layer=1)
    assert mean.select("text", "text_n", "first_n").row(0) == (pytest.approx(0.3), 1, 2)


def test_the_sentence_names_what_most_documents_show():
    figure = by_layer.figure(tables())
    facts = figure.finding.facts
    assert [row["model"] for row in facts["first"]] == ["soft"]
    assert facts["first"][0] | {"low": 0, "high": 0} == {
        "model": "soft", "layer": 0, "share": pytest.approx(0.7), "low": 0, "high": 0,
        "n_most": 2, "n": 2,
    }  # fmt: skip
    assert [(row["token"], row["layer"], row["k"], row["n"]) for row in facts["text"]] == [
        ("▁the", 1, 2, 2)
    ]
    assert [row["model"] for row in facts["others"]] == ["free"]
    for part in (
        "70 % in layer 0 of soft",
        "in 2 of 2 documents",
        "“the” up to 25 %",
        "10 % (free)",
    ):
        assert part in figure.finding.text


def test_a_token_that_is_a_sink_in_half_of_the_documents_is_not_in_the_sentence():
    facts = by_layer.figure(tables(text=((0.0, 0.9), (0.0, 0.0)))).finding.facts
    assert facts["text"] == []


@pytest.mark.parametrize(
    ("first", "words"), [(0.8, "receive most"), (0.3, "receive much"), (0.01, "No token receives")]
)
def test_the_headline_follows_the_numbers(first, words):
    made = tables({"soft": [[first] * 2] * 2, "free": [[0.01] * 2] * 2}, ((0.0, 0.0),) * 2)
    facts = by_layer.figure(made).finding.facts
    assert words in Finding(by_layer.OPENING, facts).text


def test_published_models_stand_first_and_then_those_that_exceed_them():
    peaks = pl.DataFrame(
        {
            "model": ["big", "published", "small"],
            "share": [0.9, 0.7, 0.5],
            "source": ["zoo:big", "hub:a/b", "hub:c/d"],
        }
    )
    order = by_layer.published_first(peaks)["model"].to_list()
    assert order == ["published", "big", "small"]
    assert by_layer.published_first(peaks.head(1))["model"].to_list() == ["big"]


def test_layers_around_the_strongest_are_consecutive():
    assert by_layer.around(5, {3, 4, 5, 6, 8}) == (3, 6)
    assert by_layer.around(5, {5}) == (5, 5)


def test_bars_of_the_page_are_those_of_the_figure():
    figure = by_layer.figure(tables())
    rows = [front.row_of(part) for part in figure.data.partition_by("model", maintain_order=True)]
    assert [(row.model, row.layer) for row in rows] == [("soft", 0), ("free", 0)]
    assert rows[0].share == pytest.approx(0.7)
    assert rows[0].uniform == 10
    assert [bar.tops for bar in rows[0].bars] == [(70, 70, 70), (15, 15, 40)]
    assert "other tokens that are sinks 25%" in rows[0].bars[1].about


def test_a_layer_without_attention_has_its_place():
    figure = by_layer.figure(tables())
    data = figure.data.filter(model="soft").with_columns(layer=pl.col("layer") * 2 + 1)
    bars = front.row_of(data).bars
    assert [bar.layer for bar in bars] == [0, 1, 2, 3]
    assert [bar.tops[0] for bar in bars] == [0, 70, 0, 15]
    assert bars[2].about == "layer 2: no attention"
