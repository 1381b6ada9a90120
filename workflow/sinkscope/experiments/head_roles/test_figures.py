"""The section on the roles of heads: its findings from tables whose answer is known."""

import polars as pl
import pytest

from drawing import figures_of
from records import head_roles
from sentences import said
from sinkscope.charts.figure import as_svg
from sinkscope.derive.job import write_derived
from sinkscope.experiments.head_roles import EXPERIMENT
from sinkscope.tables.read import read_tables


def drawn(folder, **models):
    """Figures by name. models: the roles of the heads of each."""
    parts = [head_roles(folder, name, roles) for name, roles in models.items()]
    write_derived("head_roles", parts, folder, None)
    tables = read_tables(folder, EXPERIMENT.tables)
    return {figure.name: figure for figure in figures_of("head_roles", **tables)}


SINKS = ("none", "no-op", "broadcast", "no-op")


def test_heads_are_counted_by_role(tmp_path):
    figure = drawn(tmp_path, a=SINKS, b=("none",) * 4)["head_roles"]
    assert said(figure.finding.text, "no-op", "broadcast") == [
        "3", "8", "2", "2", "1", "0", "2", "no-op", "1", "broadcast", "0", "4",
    ]  # fmt: skip
    assert "No head with a sink: b." in figure.caption
    assert set(figure.data["model"]) == {"a"}
    assert figure.data.filter(layer=1, head=0)["role"].item() == "broadcast"
    svg = as_svg(figure.spec())
    assert "NaN" not in svg


def test_models_without_any_sink_are_drawn_where_there_are_no_others(tmp_path):
    figures = drawn(tmp_path, b=("none",) * 4)
    assert figures["head_roles"].finding.text.startswith("0 of 4 heads of 1 model have a sink")
    assert figures["head_roles"].data.height == 4
    as_svg(figures["head_roles"].spec())
    assert "head_edits" not in figures


def test_the_dearest_edit_stands_beside_the_value_0_and_a_random_key(tmp_path):
    figure = drawn(tmp_path, a=SINKS)["head_edits"]
    assert said(figure.finding.text, "no-op") == [
        "no-op", "2.0", "2", "1.00", "1.00", "1.00", "0.01", "0.01", "0.01", "0.00", "0.00", "0.00",
    ]  # fmt: skip
    of_edit = figure.data.filter(role="broadcast", edit="zero", edited_key="sink")
    row = of_edit.filter(document="all documents")
    assert row["loss_change"].item() == pytest.approx(0.3)
    edits = read_tables(tmp_path, ["head_edits"])["head_edits"].filter(
        pl.col("layer").is_null(), role="broadcast", edit="zero", edited_key="sink"
    )
    changes = edits.select("document", change=pl.col("loss") - pl.col("dense_loss"))
    points = of_edit.join(changes, on="document")
    assert points.height == of_edit.height - 1 == changes.height > 0
    assert points["loss_change"].to_list() == pytest.approx(points["change"].to_list())
    assert row["row"].item() == "broadcast: value 0"
    as_svg(figure.spec())


def test_a_model_without_a_likelihood_has_no_figure_of_losses(tmp_path):
    part = head_roles(tmp_path, "a", SINKS)
    none = pl.lit(None, pl.Float64)
    edits = pl.read_parquet(part / "head_edits.parquet")
    edits.with_columns(loss=none, dense_loss=none).write_parquet(part / "head_edits.parquet")
    write_derived("head_roles", [part], tmp_path, None)
    figures = figures_of("head_roles", **read_tables(tmp_path, EXPERIMENT.tables))
    assert [figure.name for figure in figures] == ["head_roles"]


def test_nothing_measured_nothing_drawn(tmp_path):
    part = tmp_path / "part"
    part.mkdir()
    for name in EXPERIMENT.parts:
        pl.DataFrame(schema={"model": pl.String}).write_parquet(part / f"{name}.parquet")
    write_derived("head_roles", [part], tmp_path, None)
    assert figures_of("head_roles", **read_tables(tmp_path, EXPERIMENT.tables)) == []
