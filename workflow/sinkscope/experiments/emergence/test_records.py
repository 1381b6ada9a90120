"""Records of training become tables, under the names of the grid."""

import polars as pl
import pytest

import records
from sinkscope.config import ModelRow
from sinkscope.derive.job import recorded, write_recorded
from sinkscope.errors import SinkscopeError
from sinkscope.experiments.emergence import EXPERIMENT


def row(model, source):
    return ModelRow(model, source, None, "float32", "cpu", None, "auto")


@pytest.fixture
def zoo(tmp_path):
    records.write(tmp_path / "zoo" / "a", "zoo-a", "a")
    records.write(tmp_path / "zoo" / "b", "zoo-b", "b", "sigmoid", {"row_sum": 1.5})
    return tmp_path / "zoo"


def test_only_models_of_the_zoo_whose_training_was_recorded_count(zoo):
    (zoo / "bare").mkdir()
    rows = [row("x", "zoo:a"), row("y", "zoo:bare"), row("z", "hub:a"), row("b", "path:b")]
    assert recorded(rows, EXPERIMENT, zoo) == {"x": zoo / "a"}
    assert recorded(rows[2:], EXPERIMENT, zoo) == {}


def test_tables_are_the_records_under_the_names_of_the_grid(zoo, tmp_path):
    write_recorded("emergence", {"mine": zoo / "a", "other": zoo / "b"}, tmp_path / "out")
    for name, table in EXPERIMENT.tables.items():
        frame = pl.read_parquet(tmp_path / "out" / f"{name}.parquet")
        assert dict(frame.schema) == table.schema
        assert frame["model"].unique().sort().to_list() == ["mine", "other"]
        assert frame.equals(frame.sort(table.sort, nulls_last=False))
        assert (tmp_path / "out" / f"{name}.csv").read_text().count("\n") == frame.height + 1
    log = pl.read_parquet(tmp_path / "out" / "emergence.parquet")
    assert log.height == 2 * records.training_log("a", "a").height
    assert log.filter(model="other")["row_sum"].unique().to_list() == [1.5]


def test_tables_are_the_same_bytes_whatever_the_order_of_models(zoo, tmp_path):
    folders = {"x": zoo / "a", "y": zoo / "b"}
    write_recorded("emergence", folders, tmp_path / "one")
    write_recorded("emergence", dict(reversed(folders.items())), tmp_path / "two")
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_a_file_that_is_no_record_is_named(zoo, tmp_path):
    log = zoo / "a" / "training_log.parquet"
    pl.read_parquet(log).drop("row_sum").write_parquet(log)
    with pytest.raises(SinkscopeError, match=r"training_log\.parquet: is not a record .*row_sum"):
        write_recorded("emergence", {"x": zoo / "a"}, tmp_path / "out")
    log.write_text("no table")
    with pytest.raises(SinkscopeError, match="is not a record of training with the columns model"):
        write_recorded("emergence", {"x": zoo / "a"}, tmp_path / "out")
    log.unlink()
    with pytest.raises(SinkscopeError, match="is not a record of training"):
        write_recorded("emergence", {"x": zoo / "a"}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_empty_record_is_named(zoo, tmp_path):
    path = zoo / "a" / "evaluation.parquet"
    pl.read_parquet(path).clear().write_parquet(path)
    with pytest.raises(SinkscopeError, match=r"evaluation\.parquet: has no rows; train model 'x'"):
        write_recorded("emergence", {"x": zoo / "a"}, tmp_path / "out")
