"""When sinks appear and what they attach to, on records whose answer is known."""

import polars as pl
import pytest

import records
from sinkscope.experiments.emergence import growth


@pytest.fixture(scope="module")
def log():
    early = records.training_log("early", "a", onset=1e5, mass=0.8, layer=3)
    late = records.training_log("late", "b", onset=8e6, mass=0.6, layer=1, n_layers=3)
    never = records.training_log("never", "c", mass=0.15)
    return pl.concat([early, late, never])


def test_a_layer_is_the_mean_of_its_heads(log):
    layer = growth.by_layer(log).filter(model="early", layer=3, step=500).row(0, named=True)
    heads = log.filter(model="early", layer=3, step=500, window=64)
    assert heads.height == records.N_HEADS
    for name in ("first_token", "first_and_special", "row_sum", "heldout_loss"):
        assert layer[name] == pytest.approx(heads[name].mean())


def test_growth_is_of_the_layer_that_is_strongest_in_the_end(log):
    grown = growth.growth(log)
    assert dict(grown.select("model", "layer").unique().iter_rows()) == {
        "early": 3, "late": 1, "never": 2,
    }  # fmt: skip
    assert grown.group_by("model").len()["len"].to_list() == [len(records.TOKENS)] * 3


def test_a_sink_appears_where_its_mass_first_reaches_the_mark(log):
    grown = growth.growth(log)
    onsets = {row["model"]: row for row in growth.onsets(grown).iter_rows(named=True)}
    for model in ("early", "late"):
        above = grown.filter(pl.col("mass") >= growth.APPEARED, model=model)["tokens"].to_list()
        assert onsets[model]["onset"] == above[0]
    assert onsets["early"]["onset"] < onsets["late"]["onset"]
    assert onsets["never"]["onset"] is None
    assert onsets["never"]["mass"] < growth.APPEARED
    assert onsets["never"]["fallen"] is None


def test_the_part_of_the_loss_is_told_at_the_onset(log):
    grown = growth.growth(log).filter(model="late")
    first, last = grown["loss"][0], grown["loss"][-1]
    there = grown.filter(pl.col("onset").is_not_null())
    expected = (first - there["loss"].item()) / (first - last)
    assert growth.onsets(grown)["fallen"].item() == pytest.approx(expected)


def test_a_sink_that_goes_and_comes_back_appears_once():
    log = records.training_log("m", "a", onset=1e5)
    dip = pl.when(pl.col("step") == 1000).then(0.0).otherwise("first_and_special")
    grown = growth.growth(log.with_columns(first_and_special=dip))
    assert grown["onset"].drop_nulls().len() == 1


def test_targets_name_the_layer_of_each_window():
    evaluation = records.evaluation("m", "a", mass=0.5, layer=2)
    row = growth.targets(evaluation).row(0, named=True)
    assert (row["layer"], row["long_layer"]) == (2, 2)
    assert row["mass"] == pytest.approx(0.5)
    assert row["times"] == pytest.approx(0.5 / (5 / 256))
    short = evaluation.filter(pl.col("window") == 64)
    assert growth.targets(short)["times"].to_list() == [None]


@pytest.mark.parametrize(
    ("verdict", "left"),
    [
        ("position", {"plain": 0.9, "moved": 0.2}),
        ("token", {"plain": 0.2, "moved": 0.9}),
        ("both", {"plain": 0.5, "moved": 0.5}),
        ("neither", {"plain": 0.4, "moved": 0.4}),
        ("no sink", {"mass": 0.09, "plain": 0.9, "moved": 0.9}),
        # Nothing special stands in front: another first word decides.
        ("position", {"other_first": 0.6, "plain": 0.1}),
        ("token", {"other_first": 0.4, "plain": 0.9}),
        ("no sink", {"mass": 0.05}),
    ],
)
def test_verdicts(verdict, left):
    row = growth.verdicts(records.evaluation("m", "a", **left)).row(0, named=True)
    assert row["verdict"] == verdict
    assert row["layer"] == 2


def test_inputs_that_were_not_tried_give_no_verdict():
    evaluation = records.evaluation("m", "a").filter(pl.col("input") == "as_trained")
    assert growth.verdicts(evaluation)["verdict"].to_list() == ["neither"]
