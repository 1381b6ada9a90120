"""Figures: strict specifications, data equal to the tables, sentences with their numbers."""

import json
import re
import shutil

import polars as pl
import pytest

from report.made import HOSTILE, folder_bytes, strict_json
from sinkscope.charts import figure as drawing
from sinkscope.charts.job import read_tables
from sinkscope.charts.of_all import figures_of_all, write_figures
from sinkscope.charts.of_model import figures_of_model, write_figures_of_model
from sinkscope.charts.select import MOST_ROWS, with_mean

FONTS = ["'Liberation Sans'", "Arial", "Helvetica"]
OF_MODEL = [
    "max_attention",
    "max_attention_countings",
    "sink_mass",
    "mass_histogram",
    "sink_rate",
    "heads",
    "last_layer",
    "local_mass",
    "entropy",
]
OF_ALL = ["max_attention_models", "key_classes_models", "sink_mass_models", "sink_rate_models"]


@pytest.fixture(scope="module")
def tables(site):
    return read_tables(site.folder / "results" / "tables")


def drawn(site, model, name):
    """The CSV beside a figure, as it is drawn and offered."""
    return pl.read_csv(site.out / "figures" / model / f"{name}.csv", infer_schema_length=None)


def listed(site, model):
    return strict_json((site.out / "figures" / model / "figures.json").read_text())


def sentence(site, model, name):
    return next(entry["finding"] for entry in listed(site, model) if entry["name"] == name)


def test_figures_are_listed_in_order(site):
    assert [entry["name"] for entry in listed(site, "enc")] == OF_MODEL
    only_encoders = {"max_attention_countings", "last_layer"}
    expected = [name for name in OF_MODEL if name not in only_encoders]
    assert [entry["name"] for entry in listed(site, "dec")] == expected
    assert [entry["name"] for entry in listed(site, "all")] == OF_ALL


def test_every_figure_has_its_files_and_words(site):
    for model in ("enc", "dec", "all"):
        for entry in listed(site, model):
            for ending in ("json", "svg", "png", "csv"):
                path = site.out / "figures" / model / f"{entry['name']}.{ending}"
                assert path.stat().st_size > 50, path
            assert entry["finding"].endswith(".")
            assert "n = " in entry["caption"]
            assert "Unit: " in entry["caption"]


def test_specifications_are_strict_json_and_hold_the_csv(site):
    for path in (site.out / "figures").glob("*/*_*.json"):
        spec = strict_json(path.read_text(encoding="utf-8"))
        assert spec["datasets"]["drawn"] == path.with_suffix(".csv").read_text(encoding="utf-8")
        parsed = set(re.findall(r"[^,]+", spec["datasets"]["drawn"].splitlines()[0]))
        assert parsed == set(spec["data"]["format"]["parse"])


def test_missing_values_stay_missing(tables):
    holes = tables | {
        "sink_mass": tables["sink_mass"].with_columns(
            mass=pl.when(pl.col("layer") == 1).then(float("nan")).otherwise("mass")
        )
    }
    for figure in figures_of_model(holes, "enc"):
        assert "nan" not in figure.csv().lower()
        assert "nan" not in figure.finding


def test_bars_are_the_table(site, tables):
    found = drawn(site, "dec", "max_attention")
    table = tables["max_attention_tokens"].filter(model="dec").sort("count", descending=True)
    assert found["count"].to_list() == table["count"].head(10).to_list()
    joined = found.join(table, on=["token", "key_class"])
    assert joined.height == found.height
    assert (joined["share"] - joined["share_right"]).abs().max() <= 5e-7


def test_sink_mass_is_the_table_and_its_mean(site, tables):
    found = drawn(site, "enc", "sink_mass")
    table = tables["sink_mass"].filter(model="enc")
    single = found.join(table, on=["document", "layer", "key_set"])
    assert single.height == found.filter(pl.col("document") != "all documents").height > 0
    assert (single["mass"] - single["mass_right"]).abs().max() <= 5e-7
    mean = table.group_by("layer", "key_set").agg(pl.col("mass").mean())
    pooled = found.filter(document="all documents").join(mean, on=["layer", "key_set"])
    assert (pooled["mass"] - pooled["mass_right"]).abs().max() <= 5e-7


def test_histogram_counts_every_document_once(site):
    counts = drawn(site, "enc", "mass_histogram").group_by("layer", "key_set")
    assert counts.agg(pl.col("n_documents").sum())["n_documents"].unique().to_list() == [3]


def test_heads_are_the_mean_over_documents(site, tables):
    found = drawn(site, "dec", "heads").filter(document="all documents")
    mean = tables["heads"].filter(model="dec").group_by("layer", "head")
    joined = found.join(mean.agg(pl.col("sink_score").mean()), on=["layer", "head"])
    assert joined.height == 8
    assert (joined["sink_score"] - joined["sink_score_right"]).abs().max() <= 5e-7


def test_last_layer_has_every_key_of_every_document(site, tables):
    assert (
        drawn(site, "enc", "last_layer").height
        == tables["last_layer_keys"].filter(model="enc").height
    )


def test_sink_rates_of_models_are_means_over_layers(site, tables):
    found = drawn(site, "all", "sink_rate_models")
    rates = tables["sink_rate"].filter(pl.col("key_set") == "first_token")
    for window, queries in ((None, "whole documents"), (10, "the first 10 tokens")):
        own = rates.filter(pl.col("window").eq_missing(window))
        mean = own.group_by("model").agg(pl.col("rate").mean())
        joined = found.filter(queries=queries).join(mean, on="model")
        assert joined.height == 2
        assert (joined["rate"] - joined["rate_right"]).abs().max() <= 5e-7
    assert found["queries"][0] == "the first 10 tokens"
    assert sentence(site, "all", "sink_rate_models").startswith("Over the first 10 tokens, ")


def test_the_sentence_of_sink_rate_says_over_how_many_documents_each_is(site, tables):
    rates = tables["sink_rate"].filter(model="enc", key_set="first_token")
    mean = {
        window: rates.filter(pl.col("window").eq_missing(window))["rate"].mean()
        for window in (None, 10)
    }
    assert sentence(site, "enc", "sink_rate").endswith(
        f"is {mean[10]:.1%} over the first 10 tokens (3 documents) and {mean[None]:.1%} over "
        "whole documents (3 documents)."
    )


def test_a_figure_of_all_models_says_how_many_documents_each_has(site):
    """`dec` lacks the third: a mean over 2 documents is not one over 3."""
    captions = {entry["name"]: entry["caption"] for entry in listed(site, "all")}
    assert "n = 2 to 3 documents per model" in captions["sink_mass_models"]


def test_sentence_of_max_keys(site, tables):
    table = tables["max_attention_tokens"].filter(model="dec").sort("count", descending=True)
    first = table.row(0, named=True)
    assert f"“{first['token']}” ({first['key_class']}) takes {first['count']:,} of" in sentence(
        site, "dec", "max_attention"
    )
    assert f"({first['share']:.1%})" in sentence(site, "dec", "max_attention")


def test_sentence_of_sink_mass(site, tables):
    table = tables["sink_mass"].filter(pl.col("key_set") == "first_token", model="dec")
    mean = table.group_by("layer").agg(pl.col("mass").mean()).sort("mass").row(-1, named=True)
    expected = f"first token in layer {mean['layer']}: {mean['mass']:.2f} of the attention"
    assert expected in sentence(site, "dec", "sink_mass")


def test_sentence_of_countings(site, tables):
    right = tables["max_attention_tokens"].filter(model="enc")
    padded = tables["max_attention_tokens_padded"].filter(model="enc")
    shares = [table.filter(token="[CLS]")["share"].item() for table in (right, padded)]
    found = sentence(site, "enc", "max_attention_countings")
    assert f"from {shares[0]:.1%} to {shares[1]:.1%}" in found
    assert f"{padded['count'].sum() - right['count'].sum():,} of the" in found


def test_a_token_of_another_class_is_told_apart(tables):
    twice = tables["max_attention_tokens"].with_columns(
        key_class=pl.when(pl.col("token") == "Z").then(pl.lit("word")).otherwise("key_class")
    )
    both = pl.concat([tables["max_attention_tokens"], twice]).unique(
        ["model", "token", "key_class"]
    )
    both = tables | {"max_attention_tokens": both}
    labels = figures_of_model(both, "dec")[0].data["label"].to_list()
    assert {"Z (first)", "Z (word)"} <= set(labels)
    assert len(set(labels)) == len(labels)


def test_first_token_is_not_drawn_twice(site):
    assert "first token" not in drawn(site, "enc", "sink_mass")["label"]
    assert "first token" in drawn(site, "dec", "sink_mass")["label"]


def test_a_picker_offers_the_documents_asked_for(tables):
    figure = figures_of_model(tables, "enc", ["two", "unknown", "one"])[2]
    assert figure.name == "sink_mass"
    parameter = figure.spec()["params"][0]
    assert parameter["bind"]["options"] == ["all documents", "two", "one"]


def test_too_many_rows_leave_the_mean_alone():
    n_layers = MOST_ROWS // 2
    rows = {"document": ["a", "b"] * n_layers, "layer": [i // 2 for i in range(2 * n_layers)]}
    frame = pl.DataFrame(rows | {"x": [1.0, 3.0] * n_layers})
    found = with_mean(frame, ["layer"], ["x"], ["a", "b"])
    assert found["document"].unique().to_list() == ["all documents"]
    assert found["x"].unique().to_list() == [2.0]


def test_hostile_tokens_stay_text_in_svg(site):
    text = (site.out / "figures/enc/last_layer.svg").read_text(encoding="utf-8")
    assert HOSTILE not in text
    assert HOSTILE in drawn(site, "enc", "last_layer")["token"]


def test_an_svg_asks_for_fonts_as_wide_as_the_one_it_was_laid_out_with(site):
    """The renderer has no font of the reader's system; metrics of these three are the same."""
    svg = (site.out / "figures/enc/sink_mass.svg").read_text(encoding="utf-8")
    asked = {name.split(", ")[:3] == FONTS for name in re.findall('font-family="([^"]*)"', svg)}
    assert asked == {True}


def test_a_second_run_is_byte_identical(site, tmp_path):
    tables = site.folder / "results" / "tables"
    write_figures_of_model(tables, tmp_path / "again", "enc")
    assert folder_bytes(tmp_path / "again") == folder_bytes(site.out / "figures" / "enc")
    write_figures(tables, tmp_path / "again")
    assert folder_bytes(tmp_path / "again") == folder_bytes(site.out / "figures" / "all")


def test_a_picture_is_kept_while_its_figure_is_what_it_was(site, tmp_path, monkeypatch):
    tables, out = site.folder / "results" / "tables", tmp_path / "all"
    shutil.copytree(site.out / "figures" / "all", out)
    names = [one["name"] for one in json.loads((out / "figures.json").read_text())]
    drawn = []
    draw = drawing.as_svg

    def counting(spec):
        drawn.append(spec["title"])
        return draw(spec)

    counting.__wrapped__ = draw  # whose source is looked at
    monkeypatch.setattr(drawing, "as_svg", counting)
    write_figures(tables, out)
    assert drawn == []
    damaged = out / f"{names[0]}.svg"
    damaged.write_bytes(damaged.read_bytes()[:-3])
    write_figures(tables, out)
    assert len(drawn) == 1
    monkeypatch.setattr(drawing, "version", lambda package: "another")
    write_figures(tables, out)
    assert len(drawn) == 1 + len(names)
    before = folder_bytes(site.out / "figures" / "all")
    after = folder_bytes(out)
    assert {name for name in before if before[name] != after[name]} == {"drawn.json"}


def test_a_model_without_results_has_no_figures_and_this_is_said(site, tmp_path, capsys):
    """None of its documents could be taken: that stops no other page of the report."""
    write_figures_of_model(site.folder / "results" / "tables", tmp_path / "out", "absent")
    assert "There are no results of model 'absent'" in capsys.readouterr().err
    assert strict_json((tmp_path / "out" / "figures.json").read_text()) == []


def test_one_model_can_be_compared_with_itself(tables):
    alone = {name: frame.filter(model="dec") for name, frame in tables.items()}
    for figure in figures_of_all(alone):
        assert "enc" not in figure.finding
        assert "smallest share" not in figure.finding
