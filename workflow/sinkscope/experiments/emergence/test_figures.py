"""The sections on training: what their figures say of records whose answer is known."""

import polars as pl
import pytest

import records
from drawing import figures_of, write_section
from report.made import folder_bytes, strict_json
from sentences import said
from sinkscope.derive.job import write_recorded
from sinkscope.experiments.emergence.growth import growth, verdicts

SECTIONS = ("emergence", "alternatives")
ZOO = {
    "zoo-a": ("a", "softmax", {"onset": 1e5, "mass": 0.8}, {"mass": 0.8, "moved": 0.1}),
    "zoo-b": ("b", "softmax", {"onset": 8e6}, {"plain": 0.1, "moved": 0.9}),
    "zoo-c": ("c", "softmax", {"mass": 0.05}, {"mass": 0.05}),
    "zoo-a-sigmoid": ("a", "sigmoid", {"mass": 0.04, "row_sum": 1.7}, {"mass": 0.04}),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """results/ with the tables, and a folder of figures for every section."""
    folder = tmp_path_factory.mktemp("sections")
    for model, (family, attention, log, evaluated) in ZOO.items():
        records.write(folder / model, model, family, attention, log, evaluated)
    write_recorded("emergence", {model: folder / model for model in ZOO}, folder / "tables")
    for name in SECTIONS:
        write_section(name, folder / "tables", folder / name)
    return folder


def table(folder, name):
    return pl.read_parquet(folder / "tables" / f"{name}.parquet")


def listed(folder, name):
    return strict_json((folder / name / "figures.json").read_text())


def finding(folder, figure):
    section = figure.split("_")[0]
    return next(e["finding"] for e in listed(folder, section) if e["name"] == figure)


def drawn(folder, figure):
    return pl.read_csv(folder / figure.split("_")[0] / f"{figure}.csv")


def test_figures_have_their_files_and_words(folder):
    names = [entry["name"] for name in SECTIONS for entry in listed(folder, name)]
    assert names == [
        *("emergence_growth", "emergence_layers", "emergence_trained", "emergence_attachment"),
        *("alternatives_loss", "alternatives_layers", "alternatives_trained"),
    ]
    for name in SECTIONS:
        for entry in listed(folder, name):
            assert "n = " in entry["caption"]
            assert "Unit: " in entry["caption"]
            spec = strict_json((folder / name / f"{entry['name']}.json").read_text())
            assert spec["datasets"]["drawn"] == (folder / name / f"{entry['name']}.csv").read_text()
            for ending in ("svg", "png"):
                assert (folder / name / f"{entry['name']}.{ending}").stat().st_size > 1000


def test_emergence_is_of_the_models_with_softmax(folder):
    for entry in listed(folder, "emergence"):
        assert set(drawn(folder, entry["name"])["model"]) == {"zoo-a", "zoo-b", "zoo-c"}


def test_growth_is_drawn_as_it_is_in_the_table(folder):
    rows = drawn(folder, "emergence_growth")
    expected = growth(table(folder, "emergence").filter(attention="softmax"))
    assert (rows["mass"] - expected["mass"]).abs().max() <= 5e-7
    assert rows["onset"].drop_nulls().to_list() == expected["onset"].drop_nulls().to_list()
    untrained = rows.filter(pl.col("tokens") == 0)["at"].unique().to_list()
    assert untrained == [min(tokens for tokens in records.TOKENS if tokens) / 2]


def test_sentence_of_growth_names_the_first_the_last_and_those_without(folder):
    text = finding(folder, "emergence_growth")
    assert text.startswith("A sink appears in 2 of 3 models: first in zoo-a after 120,000 tokens")
    assert ", last in zoo-b after 7.68 million tokens; by then held-out loss has made" in text
    assert text.endswith("total drop. zoo-c has no sink by this measure.")


def test_sentence_of_trained_models_states_both_targets(folder):
    text = finding(folder, "emergence_trained")
    assert "goes to the sink in zoo-a (layer 2) and zoo-b (layer 2)" in text
    assert "no sink by this measure in zoo-c" in text
    assert "at least 8 times uniform in 2 of 3 models, not in zoo-c." in text


def test_sentence_of_attachment_is_the_verdicts(folder):
    assert said(finding(folder, "emergence_attachment"), "zoo-a", "zoo-b", "zoo-c") == [
        "zoo-a", "zoo-b", "zoo-c",
    ]  # fmt: skip
    pairs = drawn(folder, "emergence_attachment").select("model", "verdict").unique()
    expected = verdicts(table(folder, "attachment").filter(attention="softmax"))
    assert dict(pairs.iter_rows()) == dict(expected.select("model", "verdict").iter_rows())


def test_sentences_where_no_model_has_a_sink(folder):
    log = table(folder, "emergence").filter(model="zoo-c")
    evaluation = table(folder, "attachment").filter(model="zoo-c")
    words = [f.finding.text for f in figures_of("emergence", emergence=log, attachment=evaluation)]
    assert words[0] == "No sink by this measure (a mass of 0.3) in zoo-c."
    assert "0 of 5 layers give the sink 0.3" in words[1]
    assert "in no model" in words[2]
    assert words[3] == "There is no sink by this measure in zoo-c."


def test_families_with_one_kind_of_attention_are_no_alternatives(folder):
    log = table(folder, "emergence")
    assert figures_of("alternatives", emergence=log.filter(attention="softmax")) == []
    figures = figures_of("alternatives", emergence=log)
    assert {name for figure in figures for name in figure.data["model"]} == {
        "zoo-a",
        "zoo-a-sigmoid",
    }


def test_alternatives_give_the_first_token_as_part_of_its_row(folder):
    rows = drawn(folder, "alternatives_trained")
    assert rows["model"].to_list() == ["zoo-a", "zoo-a-sigmoid"]
    for row in rows.iter_rows(named=True):
        assert row["share"] == pytest.approx(row["first_token"] / row["row_sum"], abs=1e-5)
    softmax, sigmoid = rows.iter_rows(named=True)
    assert finding(folder, "alternatives_layers") == (
        f"In a the first token gets up to {softmax['first_token']:.2f} with softmax (layer 2, "
        f"{softmax['share']:.2f} of its row) and {sigmoid['first_token']:.2f} with sigmoid "
        f"(layer 2, {sigmoid['share']:.2f} of its row)."
    )
    losses = [f"{row['loss']:.3f}" for row in (softmax, sigmoid)]
    expected = f"of a ends at {losses[0]} with softmax and {losses[1]} with sigmoid."
    assert expected in finding(folder, "alternatives_loss")


def trained(tables):
    """The figure alternatives_trained, from its tables."""
    figures = {figure.name: figure for figure in figures_of("alternatives", **tables)}
    return figures["alternatives_trained"]


def test_a_virtual_key_gets_what_rows_lack_to_1(folder, tmp_path):
    kinds = {"zoo-a-one": "softmax_off_by_one", "zoo-a-sink": "learned_sink"}
    for model, attention in kinds.items():
        row_sum = 0.25 if attention == "learned_sink" else 0.6
        records.write(tmp_path / model, model, "a", attention, {"row_sum": row_sum})
    write_recorded("emergence", {model: tmp_path / model for model in kinds}, tmp_path / "tables")
    both = [table(folder, "emergence"), pl.read_parquet(tmp_path / "tables" / "emergence.parquet")]
    figure = trained({"emergence": pl.concat(both)})
    virtual = dict(figure.data.select("model", "virtual").iter_rows())
    assert virtual == {
        "zoo-a": None, "zoo-a-one": pytest.approx(0.4),
        "zoo-a-sigmoid": None, "zoo-a-sink": pytest.approx(0.75),
    }  # fmt: skip
    assert (
        "The virtual key takes up to 0.40 of the attention of a layer in zoo-a-one and 0.75 of the "
        "attention of a layer in zoo-a-sink." in figure.finding.text
    )


def test_models_stand_beside_their_states_where_norms_were_measured(folder):
    alone = trained({"emergence": table(folder, "emergence")})
    assert alone.data["largest"].null_count() == alone.data.height == 2
    assert "state" not in alone.finding.text
    layer = alone.data.row(0, named=True)["layer"]
    activations = pl.DataFrame(
        {
            "model": ["zoo-a", "zoo-a", "zoo-a-sigmoid"], "document": ["one", "two", "one"],
            "activation": [-3000.0, 90.0, 20.0], "median": [2.0, 0.5, 1.0],
        }
    )  # fmt: skip
    ratios = pl.DataFrame(
        {
            "model": ["zoo-a"] * 4, "document": ["one", "two", "one", "one"],
            "layer": [layer, layer, layer, layer + 1],
            "sink": ["first_token", "first_token", "bos", "first_token"],
            "state": 1.0, "key": 1.0, "value": [0.1, 0.4, 7.0, 9.0],
        }
    )  # fmt: skip
    tables = {"activations": activations, "norm_ratios": ratios}
    figure = trained(tables | {"emergence": table(folder, "emergence")})
    softmax, sigmoid = figure.data.iter_rows(named=True)
    assert (softmax["largest"], softmax["times_median"]) == (3000, 1500)
    assert softmax["value"] == pytest.approx(0.2)  # geometric mean
    assert (sigmoid["largest"], sigmoid["times_median"], sigmoid["value"]) == (20, 20, None)
    assert figure.finding.text.endswith(
        "The largest entry of a state is 1,500 times the median with softmax and 20 times the "
        "median with sigmoid."
    )


def test_other_windows_alone_draw_nothing(folder):
    log = table(folder, "emergence").filter(pl.col("window") == 256)
    evaluation = table(folder, "attachment").filter(pl.col("window") == 256)
    assert figures_of("emergence", emergence=log, attachment=evaluation) == []
    assert figures_of("alternatives", emergence=log) == []


def test_a_second_run_is_byte_identical(folder, tmp_path):
    for name in SECTIONS:
        write_section(name, folder / "tables", tmp_path / name)
        assert folder_bytes(tmp_path / name) == folder_bytes(folder / name)
