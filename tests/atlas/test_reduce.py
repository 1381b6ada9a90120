"""Reducing a few documents at a time gives the tables of all cells at once."""

import json

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from report.made import cell, facts
from sinkscope.atlas import reduce
from sinkscope.atlas.derive import tables_of_model
from sinkscope.atlas.job import write_tables
from sinkscope.atlas.limits import Limits
from sinkscope.atlas.tables import TABLES
from sinkscope.extract.summary.of_cell import summary_of
from sinkscope.tables import stream
from sinkscope.tables.contract import as_csv

NAMES = ("e", "b", "d", "a", "c")


def entry(name):
    return {
        "document": name, "path": f"{name}.txt", "row": None, "n_characters": 9, "n_words": 2,
        "sha256": name, "cell": f"{name}.safetensors",
    }  # fmt: skip


@pytest.fixture(scope="module")
def cells():
    """Five documents of three lengths; what is a sink in one of them may be none in another."""
    made = {}
    for name, like in zip(NAMES, ("one", "two", "three", "two", "one"), strict=True):
        one = cell("enc", like)
        meta = one.meta | {"document": name, "tokens": [*one.meta["tokens"][:-1], name]}
        made[name] = summary_of(type(one)(meta, one.arrays), Limits().tie_tolerance)
    return made


def reduced(cells, out):
    entries = [entry(name) for name in NAMES]
    reduce.reduce_cells(
        facts("enc"), entries, lambda part: [cells[one["document"]] for one in part], Limits(), out
    )
    return out


@pytest.mark.parametrize(("n_documents", "most_rows"), [(2, 10), (3, 10**6), (128, 1)])
def test_batches_of_documents_give_the_same_tables(
    cells, tmp_path, monkeypatch, n_documents, most_rows
):
    monkeypatch.setattr(reduce, "N_DOCUMENTS", n_documents)
    monkeypatch.setattr(reduce, "MOST_ROWS", most_rows)
    monkeypatch.setattr(stream, "ROWS_OF_GROUP", 7)
    out = reduced(cells, tmp_path / "part")
    entries = [entry(name) for name in NAMES]
    whole = tables_of_model(facts("enc"), [cells[name] for name in NAMES], entries, Limits())
    assert set(whole) == set(TABLES)
    for name, frame in whole.items():
        assert_frame_equal(pl.read_parquet(out / f"{name}.parquet"), frame.collect())
    assert {path.name for path in out.iterdir()} == {f"{name}.parquet" for name in TABLES}
    write_tables([out], tmp_path / "tables")
    for name, frame in whole.items():
        assert_frame_equal(
            pl.read_parquet(tmp_path / "tables" / f"{name}.parquet"), frame.collect()
        )
        if TABLES[name].csv:
            text = (tmp_path / "tables" / f"{name}.csv").read_text(encoding="utf-8")
            assert text == as_csv(frame.collect())


def test_two_runs_write_the_same_bytes(cells, tmp_path):
    for out in ("one", "two"):
        write_tables([reduced(cells, tmp_path / out / "part")], tmp_path / out / "tables")
    for path in sorted((tmp_path / "one" / "tables").iterdir()):
        assert path.read_bytes() == (tmp_path / "two" / "tables" / path.name).read_bytes()


def test_a_table_states_what_it_is(cells, tmp_path):
    out = reduced(cells, tmp_path)
    stated = pl.read_parquet_metadata(out / "heads.parquet")
    assert stated["sinkscope_table"] == "heads"
    assert "entropy" in json.loads(stated["sinkscope_columns"])
