"""Figures of a model: data equal to the tables, sentences with their numbers."""

import re

import polars as pl
import pytest

from atlas.figures.of_site import drawn, listed, sentence, tables_of
from report.made import strict_json
from sentences import said
from sinkscope.atlas.figures.job import figures_of_model, write_figures_of_model
from sinkscope.atlas.figures.of_model.last_layer import FINDING, receives_most, sums_of_classes
from sinkscope.findings.finding import Finding

OF_MODEL = [
    "max_attention",
    "max_attention_countings",
    "sink_lives",
    "sink_mass",
    "mass_by_length",
    "sink_rate",
    "heads",
    "last_layer",
    "local_mass",
    "entropy",
]


@pytest.fixture(scope="module")
def tables(site):
    return tables_of(site)


def test_figures_are_listed_in_order(site):
    assert [entry["name"] for entry in listed(site, "enc")] == OF_MODEL
    only_encoders = {"max_attention_countings", "last_layer"}
    expected = [name for name in OF_MODEL if name not in only_encoders]
    assert [entry["name"] for entry in listed(site, "dec")] == expected


def test_missing_values_stay_missing(tables):
    holes = tables | {
        "sink_mass": tables["sink_mass"].with_columns(
            mass=pl.when(pl.col("layer") == 1).then(float("nan")).otherwise("mass")
        )
    }
    for figure in figures_of_model(holes, "enc"):
        assert "nan" not in figure.csv().lower()
        assert "nan" not in figure.finding.text


def test_bars_are_the_table(site, tables):
    found = drawn(site, "dec", "max_attention").filter(document="all documents")
    table = tables["max_attention_tokens"].filter(model="dec").sort("count", descending=True)
    assert found["count"].to_list() == table["count"].head(10).to_list()
    joined = found.join(table, on=["token", "key_class"])
    assert joined.height == found.height
    assert (joined["share"] - joined["share_right"]).abs().max() <= 5e-7


@pytest.mark.parametrize(
    ("name", "counting", "table"),
    [
        ("max_attention", None, "max_attention_documents"),
        ("max_attention_countings", "tokens: real queries only", "max_attention_documents"),
        ("max_attention_countings", "padded: PAD queries counted too",
         "max_attention_documents_padded"),
    ],
)  # fmt: skip
def test_every_document_is_a_point_on_the_bars_of_max_keys(site, tables, name, counting, table):
    found = drawn(site, "enc", name)
    if counting:
        found = found.filter(counting=counting)
    counts = tables[table].filter(model="enc")
    lengths = dict(tables["documents"].filter(model="enc").select("document", "n_tokens").rows())
    points = found.filter(pl.col("document") != "all documents")
    n_bars = found.filter(document="all documents").height
    assert points.height == 3 * n_bars
    for row in points.iter_rows(named=True):
        own = counts.filter(document=row["document"])
        key = own.filter(token=row["token"], key_class=row["key_class"])
        assert row["count"] == key["count"].sum()
        assert row["share"] == pytest.approx(row["count"] / own["count"].sum(), abs=1e-6)
        assert row["n_tokens"] == lengths[row["document"]]


def test_of_one_document_there_is_no_point_beside_the_bar(tables):
    alone = {
        name: frame.filter(document="one") if "document" in frame.columns else frame
        for name, frame in tables.items()
    }
    figure = figures_of_model(alone, "dec")[0]
    assert figure.data["document"].unique().to_list() == ["all documents"]
    assert "one document has no interval" in figure.caption


def test_sink_mass_is_the_table_and_its_mean(site, tables):
    found = drawn(site, "enc", "sink_mass")
    table = tables["sink_mass"].filter(model="enc")
    single = found.join(table, on=["document", "layer", "key_set"])
    assert single.height == found.filter(pl.col("document") != "all documents").height > 0
    assert (single["mass"] - single["mass_right"]).abs().max() <= 5e-7
    mean = table.group_by("layer", "key_set").agg(pl.col("mass").mean())
    pooled = found.filter(document="all documents").join(mean, on=["layer", "key_set"])
    assert (pooled["mass"] - pooled["mass_right"]).abs().max() <= 5e-7


def test_the_axis_of_mass_has_room_for_rows_that_sum_to_more(tables):
    large = tables["sink_mass"].with_columns(pl.col("mass") * 4)
    specs = {f.name: f.spec() for f in figures_of_model(tables | {"sink_mass": large}, "dec")}
    top = specs["sink_mass"]["layer"][-1]["encoding"]["y"]["scale"]["domain"][1]
    mean = large.filter(model="dec", key_set="first_token").group_by("layer").agg(pl.mean("mass"))
    assert top >= mean["mass"].max() > 1


def test_each_document_is_a_point_at_its_length_beside_an_even_spread(site, tables):
    points = drawn(site, "enc", "mass_by_length")
    assert points.group_by("layer", "key_set").len()["len"].unique().to_list() == [3]
    mass = tables["sink_mass"].filter(model="enc", key_set="cls").sort("layer", "document")
    found = points.filter(key_set="cls").sort("layer", "document")
    assert found["mass"].to_list() == pytest.approx(mass["mass"].to_list(), abs=1e-6)
    expected = mass["uniform_mass"].to_list()
    assert found["uniform_mass"].to_list() == pytest.approx(expected, abs=1e-6)
    lengths = dict(tables["documents"].filter(model="enc").select("document", "n_tokens").rows())
    assert all(lengths[row["document"]] == row["n_tokens"] for row in points.to_dicts())


def test_heads_are_the_mean_over_documents(site, tables):
    found = drawn(site, "dec", "heads").filter(pl.col("rank").is_null(), document="all documents")
    mean = tables["heads"].filter(model="dec").group_by("layer", "head")
    joined = found.join(mean.agg(pl.col("sink_score").mean()), on=["layer", "head"])
    assert joined.height == 8
    assert (joined["sink_score"] - joined["sink_score_right"]).abs().max() <= 5e-7


def test_the_strongest_heads_are_drawn_with_every_document(site, tables):
    found = drawn(site, "dec", "heads").drop_nulls("rank")
    table, keys = tables["heads"].filter(model="dec"), ["layer", "head"]
    mean = table.group_by(keys).agg(pl.col("sink_score").mean())
    order = mean.sort("sink_score", descending=True)["sink_score"].to_list()
    of_all = found.filter(document="all documents").sort("rank")
    assert of_all["sink_score"].to_list() == pytest.approx(order, abs=1e-6)
    assert (of_all["sink_score_low"] <= of_all["sink_score"]).all()
    points = found.filter(pl.col("document") != "all documents")
    joined = points.join(table, on=["document", *keys])
    assert joined.height == points.height == table.height
    assert (joined["sink_score"] - joined["sink_score_right"]).abs().max() <= 1e-6
    lengths = tables["documents"].filter(model="dec").select("document", "n_tokens")
    assert points.join(lengths, on=["document", "n_tokens"]).height == points.height


def test_what_a_class_of_keys_receives_has_the_interval_of_its_documents():
    rows = [("one", "terminator", 0.4), ("one", "word", 0.1), ("one", "word", 0.3),
            ("two", "terminator", 0.2), ("two", "word", 0.2)]  # fmt: skip
    schema = ["document", "key_class", "received"]

    def receives(some):
        keys = pl.DataFrame(some, schema=schema, orient="row")
        return receives_most(sums_of_classes({"last_layer_keys": keys}))

    facts = receives(rows)
    assert facts.pop("key_class") == "terminator"
    # Resamples: 'one' twice, both, 'two' twice. Means of words: 0.4 / 2, 0.6 / 3, 0.2 / 1.
    assert facts == pytest.approx({
        "received": 0.3, "received_low": 0.2, "received_high": 0.4,
        "terminator": 0.3, "word": 0.2, "times": 1.5, "times_low": 1.0, "times_high": 2.0,
    })  # fmt: skip
    alone = receives(rows[:3])
    assert Finding(FINDING, {"layer": 5, **alone}).text == (
        "In layer 5, the last, a key of class terminator receives most: 0.4000 on average; a "
        "terminator receives 0.4000, 2.0 times what a word does."
    )


def test_last_layer_has_every_key_of_every_document(site, tables):
    assert (
        drawn(site, "enc", "last_layer").height
        == tables["last_layer_keys"].filter(model="enc").height
    )


def test_the_sentence_of_sink_rate_says_over_how_many_documents_each_is(site, tables):
    rates = tables["sink_rate"].filter(model="enc", key_set="first_token")
    mean = {
        window: rates.filter(pl.col("window").eq_missing(window))["rate"].mean()
        for window in (None, 10)
    }
    assert re.search(
        rf"is {mean[10]:.1%} \[[\d.]+%, [\d.]+%\] over the first 10 tokens \(3 documents\) and "
        rf"{mean[None]:.1%} \[[\d.]+%, [\d.]+%\] over whole documents \(3 documents\)\.$",
        sentence(site, "enc", "sink_rate"),
    )


def test_sentence_of_max_keys(site, tables):
    table = tables["max_attention_tokens"].filter(model="dec").sort("count", descending=True)
    first = table.row(0, named=True)
    assert f"“{first['token']}” ({first['key_class']}) takes {first['count']:,} of" in sentence(
        site, "dec", "max_attention"
    )
    # `dec` has two documents: the interval is from one to the other.
    counts = tables["max_attention_documents"].filter(model="dec")
    own = counts.filter(token=first["token"], key_class=first["key_class"]).sort("document")
    totals = counts.group_by("document").agg(pl.col("count").sum()).sort("document")
    low, high = sorted(own["count"] / totals["count"])
    expected = f"({first['share']:.1%} [{low:.1%}, {high:.1%}])"
    assert expected in sentence(site, "dec", "max_attention")


def test_sentence_of_sink_mass(site, tables):
    table = tables["sink_mass"].filter(pl.col("key_set") == "first_token", model="dec")
    mean = table.group_by("layer").agg(pl.col("mass").mean()).sort("mass").row(-1, named=True)
    ends = sorted(table.filter(layer=mean["layer"])["mass"])  # of two documents
    expected = (
        f"first token in layer {mean['layer']}: {mean['mass']:.2f} [{ends[0]:.2f}, {ends[1]:.2f}] "
        "of the attention, mean over 2 documents"
    )
    assert expected in sentence(site, "dec", "sink_mass")
    uniform = table.filter(layer=mean["layer"])["uniform_mass"].mean()
    assert said(sentence(site, "dec", "sink_mass"))[-1] == f"{uniform:.2f}"


def test_sentence_of_countings(site, tables):
    right = tables["max_attention_tokens"].filter(model="enc")
    padded = tables["max_attention_tokens_padded"].filter(model="enc")
    shares = [table.filter(token="[CLS]")["share"].item() for table in (right, padded)]
    found = sentence(site, "enc", "max_attention_countings")
    at_padding = padded["count"].sum() - right["count"].sum()
    numbers = [f"{share * 100:.1f}" for share in shares]
    assert said(found)[:4] == ["“[CLS]”", *numbers, f"{at_padding:,}"]


def test_a_token_of_another_class_is_told_apart(tables):
    twice = tables["max_attention_tokens"].with_columns(
        key_class=pl.when(pl.col("token") == "Z").then(pl.lit("word")).otherwise("key_class")
    )
    both = pl.concat([tables["max_attention_tokens"], twice]).unique(
        ["model", "token", "key_class"]
    )
    both = tables | {"max_attention_tokens": both}
    found = figures_of_model(both, "dec")[0].data.filter(document="all documents")
    labels = found["label"].to_list()
    assert {"Z (first)", "Z (word)"} <= set(labels)
    assert len(set(labels)) == len(labels)


def test_first_token_is_not_drawn_twice(site):
    assert "first token" not in drawn(site, "enc", "sink_mass")["label"]
    assert "first token" in drawn(site, "dec", "sink_mass")["label"]


def test_a_picker_offers_the_documents_asked_for(tables):
    figure = figures_of_model(tables, "enc", ["two", "unknown", "one"])[3]
    assert figure.name == "sink_mass"
    parameter = figure.spec()["params"][0]
    assert parameter["bind"]["options"] == ["all documents", "two", "one"]


def test_a_model_without_results_has_no_figures_and_this_is_said(site, tmp_path, capsys):
    """None of its documents could be taken: that stops no other page of the report."""
    write_figures_of_model(site.folder / "results" / "tables", tmp_path / "out", "absent")
    assert "There are no results of model 'absent'" in capsys.readouterr().err
    assert strict_json((tmp_path / "out" / "figures.json").read_text()) == []
