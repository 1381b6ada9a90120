"""What tables and statistics declare, and what follows from it."""

import json

import polars as pl
import pytest

import tiny
from sinkscope.catalogue import all_tables
from sinkscope.declarations.registry import statistics
from sinkscope.documents import Document
from sinkscope.jobs.request import digest_of
from sinkscope.keys import KEY_SETS, LOCAL_WIDTHS
from sinkscope.tables.contract import SCHEMA_VERSION, empty, write_table

# Of the names, types and order of all columns, and of what orders the rows, by schema version.
CONTRACT = {
    "1.0": "e20462267c4e",
    "1.1": "3012c823a93b",
    "2.0": "dd7841a61522",
    "2.1": "8b079cc28cba",
    "2.2": "605a68bf8f07",
    "2.3": "299594e66329",
    "2.4": "aae0c7e7c0f6",
    "2.5": "f7323d761525",
    "2.6": "6143014514d8",
    "2.7": "dc6eab8acc0f",
}


def test_a_change_of_the_columns_raises_the_version_of_the_schema():
    columns = {
        name: [[(column, one.type) for column, one in table.columns.items()], table.sort]
        for name, table in all_tables().items()
    }
    assert digest_of(columns) == CONTRACT[SCHEMA_VERSION], (
        "columns have changed: raise SCHEMA_VERSION (the first number, if one was changed or "
        "removed), and add its digest here"
    )


@pytest.mark.parametrize("name", all_tables())
def test_every_column_says_what_it_means_and_numbers_have_a_unit(name):
    table = all_tables()[name]
    assert set(table.sort) <= set(table.columns)
    for column, one in table.columns.items():
        assert len(one.meaning) > 10, column
        assert bool(one.unit) >= (one.type == "Float64"), column


def test_a_file_says_what_it_holds(tmp_path):
    table = all_tables()["sink_mass"]
    write_table(empty(table).lazy(), "sink_mass", table, tmp_path)
    said = pl.read_parquet_metadata(tmp_path / "sink_mass.parquet")
    assert said["sinkscope_table"] == "sink_mass"
    assert said["sinkscope_schema_version"] == SCHEMA_VERSION
    assert json.loads(said["sinkscope_columns"])["mass"] == {
        "unit": "part of 1",
        "meaning": table.columns["mass"].meaning,
    }
    assert "mean_i sum_{j in S} M[l,i,j]" in table.columns["mass"].meaning


def test_a_cell_holds_the_statistics_that_are_declared():
    document = Document("one", "one.txt", None, "Z he came. she left.")
    loaded = tiny.loaded("gpt2", tiny.letter_tokenizer())
    cell = tiny.analyser(loaded, window=64, head_maps=("gpt2/1/0",)).analyse(document)
    assert set(cell.arrays) == {one.name for one in statistics()}
    n = cell.n_tokens
    sizes = {
        "layer": loaded.n_layers, "head": loaded.n_heads, "query": n, "key": n, "cell": n,
        "coarse": n, "key_set": len(KEY_SETS), "width": len(LOCAL_WIDTHS),
    }  # fmt: skip
    for one in statistics():
        expected = [sizes[axis] for axis in one.axes]
        if one.name == "head_map":
            expected[0] = 1  # the one that was asked for
        assert cell[one.name].dtype == one.type, one.name
        assert list(cell[one.name].shape) == expected, one.name
