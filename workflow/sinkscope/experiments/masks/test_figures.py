"""The section on masks: its findings from tables whose answer is known."""

import polars as pl
import pytest

from drawing import figures_of
from records import masks
from sentences import said
from sinkscope.charts.figure import as_svg
from sinkscope.derive.job import write_derived
from sinkscope.experiments.masks import EXPERIMENT
from sinkscope.experiments.masks.panels import ALL, masks_in_order
from sinkscope.tables.read import read_tables


def drawn(folder, **models):
    """Figures by name. models: the costs of each."""
    parts = [masks(folder, name, costs) for name, costs in models.items()]
    write_derived("masks", parts, folder, None)
    tables = read_tables(folder, EXPERIMENT.tables)
    return {figure.name: figure for figure in figures_of("masks", **tables)}


def test_the_cheapest_sparse_mask_of_each_model_and_its_control(tmp_path):
    figure = drawn(tmp_path, a=(0.2, 1.5), b=(0.5, 0.4))["masks_cost"]
    assert said(figure.finding.text, "b", "sinks+window(16)") == [
        "1", "2", "sinks+window(16)", "40.0", "0.20", "0.20", "0.20", "1.30", "1.30", "1.30",
        "b", "sinks+window(16)", "40.0", "0.50", "0.50", "0.50", "-0.10", "-0.10", "-0.10",
    ]  # fmt: skip
    assert "n = 2 documents" in figure.caption
    assert "every query keeps itself" in figure.caption.lower()
    assert set(figure.data["panel"]) == {"a", "b", ALL}
    of_mask = figure.data.filter(panel="a", mask="sinks+window(16)", is_control=True)
    one = of_mask.filter(document="all documents")
    assert one["loss_change"].item() == pytest.approx(1.5)
    assert "dense" not in set(figure.data["mask"])
    as_svg(figure.spec())


@pytest.mark.parametrize("name", ["masks_cost", "masks_states", "masks_rearranged"])
def test_every_document_is_a_point_beside_its_mean(tmp_path, name):
    drawn_of = drawn(tmp_path, a=(0.2, 1.5), b=(0.5, 0.4))[name].data
    tables = read_tables(tmp_path, EXPERIMENT.tables)
    if name == "masks_rearranged":
        rows, keys, value = tables["mask_layers"], ["model", "is_control"], "value"
        drawn_of = drawn_of.filter(line="own token").with_columns(
            mask=pl.col("row").str.strip_suffix(" (control)")
        )
        expected = rows.group_by("mask", *keys, "document").agg(expected=pl.col("own").mean())
    else:
        rows, keys = tables["masks"], ["model", "is_control"]
        drawn_of = drawn_of.filter(pl.col("panel") != ALL)
        value = "cosine" if name == "masks_states" else "loss_change"
        dense = rows.filter(mask="dense").select("model", "document", dense="loss")
        change = pl.col("cosine") if value == "cosine" else pl.col("loss") - pl.col("dense")
        expected = rows.join(dense, on=["model", "document"]).with_columns(expected=change)
    points = drawn_of.filter(pl.col("document") != "all documents")
    joined = points.join(expected, on=["mask", *keys, "document"])
    assert joined.height == points.height == 2 * (drawn_of.height - points.height) > 0
    assert (joined[value] - joined["expected"]).abs().max() < 1e-6


def test_states_of_all_models_are_compared_with_those_of_the_control(tmp_path):
    figures = drawn(tmp_path, a=(0.2, 1.5), b=(0.5, 0.4))
    assert said(figures["masks_states"].finding.text, "sinks+window(16)", "dense-sinks") == [
        "dense-sinks", "0", "2", "0.80", "0.99", "sinks+window(16)", "1", "2", "0.96", "0.70",
    ]  # fmt: skip
    as_svg(figures["masks_states"].spec())


def test_tokens_that_become_sinks_are_counted_by_class(tmp_path):
    figure = drawn(tmp_path, a=(0.2, 1.5))["masks_rearranged"]
    assert said(figure.finding.text, "dense-sinks") == [
        "dense-sinks", "1", "1", "0.5", "0.5", "0.5", "0.15", "0.15", "0.15",
        "0.50", "0.50", "0.50", "100.0",
    ]  # fmt: skip
    assert set(figure.data["row"]) >= {"dense", "dense-sinks (control)"}
    as_svg(figure.spec())


def test_models_without_a_likelihood_are_shown_by_their_states_alone(tmp_path):
    part = masks(tmp_path, "a")
    table = pl.read_parquet(part / "masks.parquet")
    none = pl.lit(None, pl.Float64)
    table.with_columns(loss=none, agreement=none).write_parquet(part / "masks.parquet")
    write_derived("masks", [part], tmp_path, None)
    figures = figures_of("masks", **read_tables(tmp_path, EXPERIMENT.tables))
    assert [figure.name for figure in figures] == ["masks_states", "masks_rearranged"]


def test_masks_come_by_the_pairs_that_they_keep():
    table = pl.DataFrame({"mask": ["b", "a", "dense"], "share_of_pairs": [0.1, 0.5, 1.0]})
    assert masks_in_order(table) == ["b", "a"]


def test_nothing_measured_nothing_drawn(tmp_path):
    part = tmp_path / "part"
    part.mkdir()
    for name in EXPERIMENT.parts:
        pl.DataFrame(schema={"model": pl.String}).write_parquet(part / f"{name}.parquet")
    write_derived("masks", [part], tmp_path, None)
    assert figures_of("masks", **read_tables(tmp_path, EXPERIMENT.tables)) == []


def test_of_many_models_a_few_are_named(tmp_path):
    costs = dict.fromkeys("abcde", (0.2, 1.5))
    text = drawn(tmp_path, **costs)["masks_cost"].finding.text
    assert text.count("nats per token") == 3
    assert text.endswith("; 2 more below.")
