"""Figures that compare models: which, in what order, and what they say of many."""

import re

import polars as pl
import pytest

from sinkscope.charts.job import read_tables
from sinkscope.charts.models import in_order
from sinkscope.charts.of_all import figures_of_all


@pytest.fixture(scope="module")
def tables(site):
    return read_tables(site.folder / "results" / "tables")


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


def test_encoders_come_first(many):
    assert list(in_order(many)) == [*(f"e{i}" for i in range(4)), *(f"d{i}" for i in range(5))]


def test_sentences_and_captions_do_not_list_many_models(many):
    for figure in figures_of_all(many):
        named = {name for name in in_order(many) if name in f"{figure.finding} {figure.caption}"}
        assert len(named) <= 2, figure.finding
        assert set(figure.data["model"]) == set(in_order(many))


def test_every_panel_says_the_family(many):
    by_name = {figure.name: figure for figure in figures_of_all(many)}
    for name in ("key_classes_models", "sink_mass_models", "sink_rate_models"):
        panels = set(by_name[name].data["panel"])
        assert {"e0 (encoder)", "d4 (decoder)"} < panels
        assert len(panels) == 9


def other_attention(tables, *models):
    kind = pl.when(pl.col("model").is_in(models)).then(pl.lit("sigmoid")).otherwise("attention")
    return tables | {"models": tables["models"].with_columns(attention=kind)}


def test_models_without_softmax_are_left_out(tables):
    figures = figures_of_all(other_attention(tables, "enc"))
    assert len(figures) == 4
    for figure in figures:
        assert set(figure.data["model"]) == {"dec"}
        assert not re.search(r"\benc\b", f"{figure.finding} {figure.caption}")
        for parameter in figure.spec()["params"]:
            assert parameter["bind"]["options"] == ["all models", "dec"]


def test_without_softmax_there_is_nothing_to_compare(tables):
    assert figures_of_all(other_attention(tables, "enc", "dec")) == []


def test_the_axis_of_mass_has_room_for_rows_that_sum_to_more(tables):
    from sinkscope.charts.of_model import figures_of_model

    large = tables["sink_mass"].with_columns(pl.col("mass") * 4)
    specs = {f.name: f.spec() for f in figures_of_model(tables | {"sink_mass": large}, "dec")}
    top = specs["sink_mass"]["encoding"]["y"]["scale"]["domain"][1]
    mean = large.filter(model="dec", key_set="first_token").group_by("layer").agg(pl.mean("mass"))
    assert top >= mean["mass"].max() > 1
