"""Tables against plain loops over hand-made cells."""

import numpy as np
import polars as pl
import pytest

from sinkscope.errors import SinkscopeError
from sinkscope.extract.cell import Cell, cell_path, write_cell
from sinkscope.files import sha256_of, write_json
from sinkscope.reduce.job import reduce_model, write_tables
from sinkscope.reduce.schemas import TABLES
from sinkscope.reduce.tables import tables_of_model

MODEL = {
    "model": "m",
    "source": "path:m",
    "revision": None,
    "architecture": "X",
    "attention": "softmax",
    "family": "encoder",
    "dtype": "float32",
    "n_parameters": 1,
    "n_layers": 2,
    "n_heads": 3,
    "n_key_value_heads": 3,
    "hidden_size": 6,
    "max_length": 8,
}
N_LAYERS, N_HEADS = 2, 3


def cell(document, classes, *, is_causal=False, window=4, seed=0, padded_to=8):
    """A cell of random statistics; every token is called after its class."""
    rng = np.random.default_rng(seed)
    n_tokens, sets = len(classes), ["first_token", "sinks"]

    def numbers(*shape):
        return rng.random(shape, dtype=np.float32)

    arrays = {
        "max_key": rng.integers(0, n_tokens, (N_LAYERS, n_tokens)).astype(np.int32),
        "padded_max_key": rng.integers(0, n_tokens, (N_LAYERS, padded_to)).astype(np.int32),
        "sink_score": numbers(N_LAYERS, N_HEADS, n_tokens),
        "window_score": numbers(N_LAYERS, N_HEADS, min(window, n_tokens)),
        "mass": numbers(N_LAYERS, len(sets)),
        "strict_mass": np.full((N_LAYERS, len(sets)), np.nan, np.float32),
        "entropy": numbers(N_LAYERS, N_HEADS),
        "row_sum": numbers(N_LAYERS, N_HEADS),
        "over_half": numbers(N_LAYERS, N_HEADS),
        "local": numbers(N_LAYERS, N_HEADS, 5),
        "local_no_sinks": numbers(N_LAYERS, N_HEADS, 5),
    }
    meta = {
        "model": "m",
        "document": document,
        "tokens": [f"<{name}>" for name in classes],
        "classes": classes,
        "key_sets": sets,
        "n_tokens_full": n_tokens + 1,
        "window": window,
        "is_causal": is_causal,
        "heads": [],
    }
    return Cell(meta, arrays)


def entry(document):
    return {
        "document": document,
        "path": f"{document}.txt",
        "row": None,
        "n_characters": 1,
        "n_words": 1,
        "sha256": "0",
    }


CELLS = [
    cell("a", ["cls", "word", "word", "terminator", "word", "sep"], seed=1),
    cell("b", ["cls", "word", "sep"], seed=2),
]


@pytest.fixture(scope="module")
def tables():
    made = tables_of_model(MODEL, CELLS, [entry("a"), entry("b")], epsilon=0.5)
    return {name: frame.collect() for name, frame in made.items()}


def test_every_table_has_its_columns_types_and_order(tables):
    assert set(tables) == set(TABLES)
    for name, frame in tables.items():
        assert dict(frame.schema) == {k: kind() for k, kind in TABLES[name].columns.items()}
        assert frame.equals(frame.sort(TABLES[name].sort, nulls_last=False))


def test_the_histogram_counts_every_query_of_every_layer(tables):
    expected = {}
    for made in CELLS:
        for layer in made["max_key"]:
            for key in layer:
                token = made.meta["tokens"][key]
                expected[token] = expected.get(token, 0) + 1
    table = tables["max_attention_tokens"]
    assert dict(zip(table["token"], table["count"], strict=True)) == expected
    assert table["count"].sum() == N_LAYERS * sum(made.n_tokens for made in CELLS)
    assert table["share"].sum() == pytest.approx(1)


def test_the_padded_counting_pads_to_the_longest_document(tables):
    table = tables["max_attention_tokens_padded"]
    longest = max(made.n_tokens for made in CELLS)
    assert table["count"].sum() == N_LAYERS * longest * len(CELLS)


def test_a_decoder_has_no_padded_counting():
    made = cell("a", ["first", "word"], is_causal=True)
    del made.arrays["padded_max_key"]
    frame = tables_of_model(MODEL, [made], [entry("a")], 0.5)["max_attention_tokens_padded"]
    assert frame.collect().height == 0


def rates(table, window):
    chosen = table.filter(pl.col("window").eq_missing(window))
    return {(row["layer"], row["key_set"]): row["rate"] for row in chosen.iter_rows(named=True)}


def test_the_sink_rate_is_the_share_of_heads_above_epsilon(tables):
    found = rates(tables["sink_rate"], None)
    for layer in range(N_LAYERS):
        first = [made["sink_score"][layer, h, 0] > 0.5 for made in CELLS for h in range(N_HEADS)]
        assert found[layer, "first_token"] == pytest.approx(np.mean(first))
        for name in ("word", "terminator"):
            best = [
                max(score for score, found_class in zip(head, made.meta["classes"], strict=True)
                    if found_class == name) > 0.5
                for made in CELLS if name in made.meta["classes"]
                for head in made["sink_score"][layer]
            ]  # fmt: skip
            assert found[layer, name] == pytest.approx(np.mean(best))


def test_only_documents_as_long_as_the_window_count_in_it(tables):
    found = rates(tables["sink_rate"], 4)
    for layer in range(N_LAYERS):
        first = CELLS[0]["window_score"][layer, :, 0] > 0.5
        assert found[layer, "first_token"] == pytest.approx(first.mean())


def test_under_a_causal_mask_keys_that_few_queries_see_are_no_sinks():
    made = cell("a", ["first", "word", "word", "word", "number"], is_causal=True, window=9)
    made["sink_score"][:] = 0.1
    made["sink_score"][:, :, 3:] = 1.0  # seen by two queries and by one, of five
    table = tables_of_model(MODEL, [made], [entry("a")], 0.5)["sink_rate"].collect()
    assert table["rate"].to_list() == [0.0] * table.height
    assert "number" not in table["key_set"].to_list()


def test_masses_and_heads_are_the_cells_own(tables):
    for made in CELLS:
        of_document = pl.col("document") == made.meta["document"]
        masses = tables["sink_mass"].filter(of_document, key_set="sinks").sort("layer")
        assert masses["mass"].to_list() == pytest.approx(made["mass"][:, 1].tolist())
        heads = tables["heads"].filter(of_document, layer=1, head=2).row(0, named=True)
        assert heads["sink_score"] == pytest.approx(made["sink_score"][1, 2, 0])
        assert heads["local_3_no_sinks"] == pytest.approx(made["local_no_sinks"][1, 2, 2])


def test_a_mass_over_no_queries_is_null_not_nan(tables):
    assert tables["sink_mass"]["strict_mass"].null_count() == tables["sink_mass"].height


def test_last_layer_keys_are_of_the_last_layer(tables):
    table = tables["last_layer_keys"].filter(document="b")
    assert table["layer"].unique().to_list() == [N_LAYERS - 1]
    expected = CELLS[1]["sink_score"][-1].astype(np.float64).mean(0)
    assert table["received"].to_list() == pytest.approx(expected.tolist())
    assert table["share"].sum() == pytest.approx(1)


@pytest.fixture
def project(tmp_path):
    """Two cells on disk, each in a manifest of its own."""
    for number, made in enumerate(CELLS):
        path = cell_path(tmp_path / "results", "m", made.meta["document"])
        write_cell(path, made)
        named = {"cell": str(path.relative_to(tmp_path)), "cell_sha256": sha256_of(path)}
        cells = [entry(made.meta["document"]) | named]
        write_json(tmp_path / f"{number}.json", {"model": MODEL, "cells": cells, "job": {}})
    return tmp_path


def test_tables_are_the_same_bytes_whatever_the_order_of_jobs(project):
    manifests = [project / "0.json", project / "1.json"]
    for out, order in (("x", manifests), ("y", manifests[::-1])):
        reduce_model(order, project / out / "parts", 0.5, project)
        write_tables([project / out / "parts"], project / out / "tables")
    first = {path.name: path.read_bytes() for path in (project / "x/tables").iterdir()}
    assert first == {path.name: path.read_bytes() for path in (project / "y/tables").iterdir()}
    assert {"sink_mass.parquet", "sink_mass.csv", "heads.parquet"} <= set(first)


def test_a_cell_that_is_gone_or_changed_is_named(project):
    path = cell_path(project / "results", "m", "a")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(SinkscopeError, match=r"cells/m/a\.safetensors: is missing or not what"):
        reduce_model([project / "0.json"], project / "parts", 0.5, project)
