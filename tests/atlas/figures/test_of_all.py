"""Figures that compare models: which, in what order, and what they say of many."""

import re

import polars as pl
import pytest

from atlas.figures.of_site import drawn, listed, sentence, tables_of
from sinkscope.atlas.figures.compared import in_order
from sinkscope.atlas.figures.job import figures_of_all

OF_ALL = ["max_attention_models", "key_classes_models", "sink_mass_models", "sink_rate_models"]


@pytest.fixture(scope="module")
def tables(site):
    return tables_of(site)


@pytest.fixture
def many(tables):
    """Nine models: four encoders, five decoders, all alike but for their names."""
    names = {f"e{i}": "enc" for i in range(4)} | {f"d{i}": "dec" for i in range(5)}
    return {
        table: pl.concat(
            frame.filter(model=old).with_columns(model=pl.lit(new)) for new, old in names.items()
        )
        for table, frame in tables.items()
    }


def test_figures_are_listed_in_order(site):
    assert [entry["name"] for entry in listed(site, "all")] == OF_ALL


def test_encoders_come_first(many):
    assert list(in_order(many)) == [*(f"e{i}" for i in range(4)), *(f"d{i}" for i in range(5))]


def test_sentences_and_captions_do_not_list_many_models(many):
    for figure in figures_of_all(many):
        named = {
            name for name in in_order(many) if name in f"{figure.finding.text} {figure.caption}"
        }
        assert len(named) <= 2, figure.finding.text
        assert set(figure.data["model"]) == set(in_order(many))


def test_every_panel_says_the_family(many):
    by_name = {figure.name: figure for figure in figures_of_all(many)}
    for name in ("key_classes_models", "sink_mass_models", "sink_rate_models"):
        panels = set(by_name[name].data["panel"])
        assert {"e0 (encoder)", "d4 (decoder)"} < panels
        assert len(panels) == 9


def test_sink_rates_of_models_are_means_over_layers(site, tables):
    found = drawn(site, "all", "sink_rate_models")
    rates = tables["sink_rate"].filter(pl.col("key_set") == "first_token")
    for window, queries in ((None, "whole documents"), (10, "the first 10 tokens")):
        own = rates.filter(pl.col("window").eq_missing(window))
        mean = own.group_by("model").agg(pl.col("rate").mean())
        means = found.filter(queries=queries, document="all documents")
        joined = means.join(mean, on="model")
        assert joined.height == 2
        assert (joined["rate"] - joined["rate_right"]).abs().max() <= 5e-7
        assert (joined["low"] <= joined["rate"]).all()
        assert (joined["rate"] <= joined["high"]).all()
    assert found["queries"][0] == "the first 10 tokens"
    assert sentence(site, "all", "sink_rate_models").startswith("Over the first 10 tokens, ")


def test_every_document_is_a_point_with_its_own_rate(site, tables):
    found = drawn(site, "all", "sink_rate_models").filter(queries="whole documents", model="enc")
    scored = tables["sink_rate_documents"].filter(
        pl.col("window").is_null(), model="enc", key_set="first_token"
    )
    for document in ("one", "two", "three"):
        own = scored.filter(document=document)
        rate = own["n_above"].sum() / own["n_heads"].sum()
        assert found.filter(document=document)["rate"].item() == pytest.approx(rate, abs=1e-6)


def test_masses_are_drawn_with_their_interval_and_every_document(site, tables):
    found = drawn(site, "all", "sink_mass_models").filter(model="enc", key_set="sinks")
    means = tables["sink_mass_means"].filter(model="enc", key_set="sinks").sort("layer")
    line = found.filter(document="all documents").sort("layer")
    for column, name in (("mass", "value"), ("mass_low", "value_low"), ("mass_high", "value_high")):
        assert line[name].to_list() == pytest.approx(means[column].to_list(), abs=1e-6)
    single = tables["sink_mass"].filter(model="enc", key_set="sinks")
    points = found.filter(pl.col("document") != "all documents")
    joined = points.join(single, on=["document", "layer"])
    assert joined.height == points.height == 3 * means.height
    assert (joined["value"] - joined["mass"]).abs().max() <= 1e-6
    lengths = tables["documents"].filter(model="enc").select("document", "n_tokens")
    assert (
        points.join(lengths, on="document")
        .filter(pl.col("n_tokens") != pl.col("n_tokens_right"))
        .is_empty()
    )


def test_the_interval_of_a_share_is_over_documents(site, tables):
    found = drawn(site, "all", "key_classes_models").filter(model="dec")
    found = found.filter(document="all documents")
    counts = tables["max_attention_documents"].filter(model="dec")
    totals = counts.group_by("document").agg(pl.col("count").sum()).sort("document")
    for row in found.iter_rows(named=True):
        own = counts.filter(key_class=row["key_class"]).group_by("document")
        own = totals.select("document").join(
            own.agg(pl.col("count").sum()), on="document", how="left"
        )
        shares = own.sort("document")["count"].fill_null(0) / totals["count"]
        # `dec` has two documents: the interval is from one to the other.
        assert [row["low"], row["high"]] == pytest.approx(sorted(shares), abs=1e-6)


def test_a_strip_below_the_bar_of_key_classes_is_a_document(site, tables):
    found = drawn(site, "all", "key_classes_models")
    lengths = tables["documents"].filter(model="enc").sort("n_tokens")["document"].to_list()
    own = found.filter(model="enc")
    order = own.sort("top")["document"].unique(maintain_order=True).to_list()
    assert order == ["all documents", *lengths]
    for (document,), rows in own.group_by("document"):
        parts = rows.filter(pl.col("share") > 0).sort("start")
        assert parts["start"][0] == 0
        assert parts["stop"].to_list() == pytest.approx([*parts["start"][1:], 1], abs=2e-6)
        counts = tables["max_attention_documents"].filter(model="enc")
        if document != "all documents":
            counts = counts.filter(document=document)
        for row in parts.iter_rows(named=True):
            count = counts.filter(key_class=row["key_class"])["count"].sum()
            assert row["share"] == pytest.approx(count / counts["count"].sum(), abs=1e-6)
    # No bar or strip lies on another.
    lanes = found.select("top", "bottom").unique().sort("top")
    assert (lanes["top"][1:] >= lanes["bottom"][:-1]).all()


def test_of_many_documents_evenly_chosen_strips_are_drawn(tables):
    many = {
        name: pl.concat(
            frame.filter(document="one").with_columns(document=pl.lit(f"d{i:02}"))
            for i in range(60)
        )
        if "document" in frame.columns
        else frame
        for name, frame in tables.items()
    }
    by_name = {figure.name: figure for figure in figures_of_all(many)}
    of_classes, of_tokens = by_name["key_classes_models"], by_name["max_attention_models"]
    assert of_classes.data["document"].n_unique() == 1 + 12
    assert "text first: 12 of 60 documents, evenly chosen by name" in of_classes.caption
    assert of_tokens.data["document"].n_unique() == 1 + 40
    assert "points: 40 of 60 documents, evenly chosen by name" in of_tokens.caption


def test_a_figure_of_all_models_says_how_many_documents_each_has(site):
    """`dec` lacks the third: a mean over 2 documents is not one over 3."""
    captions = {entry["name"]: entry["caption"] for entry in listed(site, "all")}
    assert "n = 2 to 3 documents per model" in captions["sink_mass_models"]


def test_one_model_can_be_compared_with_itself(tables):
    alone = {name: frame.filter(model="dec") for name, frame in tables.items()}
    for figure in figures_of_all(alone):
        assert "enc" not in figure.finding.text
        assert "smallest share" not in figure.finding.text


def other_attention(tables, *models):
    kind = pl.when(pl.col("model").is_in(models)).then(pl.lit("sigmoid")).otherwise("attention")
    return tables | {"models": tables["models"].with_columns(attention=kind)}


def test_models_without_softmax_are_left_out(tables):
    figures = figures_of_all(other_attention(tables, "enc"))
    assert len(figures) == 4
    for figure in figures:
        assert set(figure.data["model"]) == {"dec"}
        assert not re.search(r"\benc\b", f"{figure.finding.text} {figure.caption}")
        for parameter in figure.spec()["params"]:
            assert parameter["bind"]["options"] == ["all models", "dec"]


def test_without_softmax_there_is_nothing_to_compare(tables):
    assert figures_of_all(other_attention(tables, "enc", "dec")) == []
