"""Tables against plain loops over hand-made cells."""

import numpy as np
import polars as pl
import pytest

from sink_arrays import RULE, sink_arrays
from sinkscope import intervals
from sinkscope.atlas.derive import tables_of_model
from sinkscope.atlas.job import reduce_model, write_tables
from sinkscope.atlas.limits import Limits
from sinkscope.atlas.tables import TABLES
from sinkscope.errors import SinkscopeError
from sinkscope.extract.cell import Cell, cell_path, write_cell
from sinkscope.files import sha256_of, write_json
from sinkscope.keys import KEY_CLASSES, KEY_SETS

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
LIMITS = Limits(epsilon=0.5, tie_tolerance=0.02)


def cell(document, classes, *, is_causal=False, window=4, seed=0):
    """A cell of random statistics; every token is called after its class."""
    rng = np.random.default_rng(seed)
    n_tokens, n_sets = len(classes), len(KEY_SETS)
    visible = np.tri(n_tokens) if is_causal else np.ones((n_tokens, n_tokens))
    n_queries, n_window = (
        np.tile(rows.sum(0), (N_LAYERS, 1)).astype(np.int32) for rows in (visible, visible[:window])
    )

    def numbers(*shape):
        return rng.random(shape, dtype=np.float32)

    arrays = {
        "max_key": rng.integers(0, n_tokens, (N_LAYERS, n_tokens)).astype(np.int32),
        "max_value": numbers(N_LAYERS, n_tokens) + 1,
        "second_value": numbers(N_LAYERS, n_tokens),
        "sink_score": numbers(N_LAYERS, N_HEADS, n_tokens),
        "n_queries": n_queries,
        "window_score": numbers(N_LAYERS, N_HEADS, n_tokens),
        "n_window_queries": n_window,
        "mass": numbers(N_LAYERS, n_sets),
        "strict_mass": np.full((N_LAYERS, n_sets), np.nan, np.float32),
        "entropy": numbers(N_LAYERS, N_HEADS),
        "row_sum": numbers(N_LAYERS, N_HEADS),
        "virtual_sink": np.full((N_LAYERS, N_HEADS), np.nan, np.float32),
        "gate": np.full((N_LAYERS, N_HEADS), np.nan, np.float32),
        "over_half": numbers(N_LAYERS, N_HEADS),
        "local": numbers(N_LAYERS, N_HEADS, 5),
        "local_no_sinks": numbers(N_LAYERS, N_HEADS, 5),
    }
    is_sink = np.zeros((N_LAYERS, n_tokens), bool)
    is_sink[1, 0] = True
    arrays |= sink_arrays(is_sink, N_HEADS, visible)
    meta = {
        "model": "m",
        "document": document,
        "tokens": [f"<{name}>" for name in classes],
        "classes": classes,
        "n_tokens_full": n_tokens + 1,
        "window": window,
        "sink_rule": RULE,
        "audit": {"queries": [0, 1], "output_error": 2e-7, "row_error": 3e-8},
        "is_causal": is_causal,
        "heads": [],
        "layers": list(range(N_LAYERS)),
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
    made = tables_of_model(MODEL, CELLS, [entry("a"), entry("b")], LIMITS)
    return {name: frame.collect() for name, frame in made.items()}


def test_every_table_has_its_columns_types_and_order(tables):
    assert set(tables) == set(TABLES)
    for name, frame in tables.items():
        assert dict(frame.schema) == {k: kind() for k, kind in TABLES[name].schema.items()}
        assert frame.equals(frame.sort(TABLES[name].sort, nulls_last=False))


def test_models_state_the_audited_rows_and_the_largest_errors_of_their_cells():
    cells = [cell(name, ["first", "word"], is_causal=True) for name in ("a", "b", "c")]
    for made, output, row in zip(cells, (1e-7, 3e-7, 2e-7), (5e-8, 1e-8, 2e-8), strict=True):
        made.meta["audit"] = {"queries": [0, 1, 1], "output_error": output, "row_error": row}
    entries = [entry(name) for name in ("a", "b", "c")]
    (row,) = tables_of_model(MODEL, cells, entries, LIMITS)["models"].collect().rows(named=True)
    assert (row["n_audited"], row["output_error"], row["row_error"]) == (9, 3e-7, 5e-8)


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


def test_ties_and_near_ties_are_counted():
    """Exact where float32 cannot tell two keys apart; near within the tolerance of 2 %."""
    made = cell("a", ["first", "word", "word"], is_causal=True)
    made["max_key"][:] = 0
    made["max_value"][:] = 0.2
    step = np.spacing(np.float32(0.2))
    made["second_value"][:] = 0
    made["second_value"][0] = 0.2, 0.2 - 2 * step, 0.2 - 1000 * step
    made["second_value"][1] = 0.1965, 0.1955, 0
    frame = tables_of_model(MODEL, [made], [entry("a")], LIMITS)["max_attention_tokens"].collect()
    (row,) = frame.rows(named=True)
    assert (row["token"], row["count"]) == ("<first>", 6)
    assert (row["n_ties"], row["n_tied"]) == (2, 4)


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


def test_a_rate_says_over_how_many_documents_it_is(tables):
    table = tables["sink_rate"]
    n = {
        (row["key_set"], row["window"]): row["n_documents"]
        for row in table.filter(layer=0).iter_rows(named=True)
    }
    assert set(n) == {(name, w) for name in ("first_token", *KEY_CLASSES) for w in (None, 4)}
    assert {name for name, _ in n if n[name, None] == 2} == {"first_token", "cls", "word", "sep"}
    assert n["terminator", None] == n["terminator", 4] == n["first_token", 4] == 1
    assert n["number", None] == 0
    assert table.filter(n_documents=0)["rate"].null_count() == table.filter(n_documents=0).height
    assert table.filter(pl.col("n_documents") > 0)["rate"].null_count() == 0


def test_an_encoders_window_has_all_keys_of_the_document():
    """[SEP] stands behind the window's queries, and is seen by all of them."""
    made = cell("a", ["cls", "word", "word", "word", "mask", "sep"])
    made["window_score"][:] = 0.1
    made["window_score"][..., 5] = 0.9
    table = tables_of_model(MODEL, [made], [entry("a")], LIMITS)["sink_rate"].collect()
    found = rates(table, 4)
    assert [found[1, name] for name in ("sep", "mask", "cls")] == [1, 0, 0]


def test_under_a_causal_mask_keys_that_few_queries_see_are_no_sinks():
    made = cell("a", ["first", "word", "word", "word", "number"], is_causal=True, window=9)
    made["sink_score"][:] = 0.1
    made["sink_score"][:, :, 3:] = 1.0  # seen by two queries and by one, of five
    table = tables_of_model(MODEL, [made], [entry("a")], LIMITS)["sink_rate"].collect()
    assert set(table.drop_nulls("rate")["rate"]) == {0.0}
    assert "number" not in table.drop_nulls("rate")["key_set"].to_list()


def test_keys_that_a_sliding_window_hides_from_most_queries_do_not_count():
    """Queries see themselves and the two tokens before; in layer 1 all before."""
    made = cell("a", ["first", *["word"] * 7], is_causal=True, window=4)
    narrow = np.tri(8) - np.tri(8, k=-3)
    made["n_queries"][0], made["n_window_queries"][0] = narrow.sum(0), narrow[:4].sum(0)
    table = tables_of_model(MODEL, [made], [entry("a")], LIMITS)["sink_rate"].collect()
    n = table.filter(key_set="first_token").sort("layer", "window")["n_documents"].to_list()
    assert n == [0, 1, 1, 1]  # of 8 queries 3 see key 0, of the first 4 these 3


def test_masses_and_heads_are_the_cells_own(tables):
    for made in CELLS:
        of_document = pl.col("document") == made.meta["document"]
        masses = tables["sink_mass"].filter(of_document, key_set="sinks").sort("layer")
        expected = made["mass"][:, KEY_SETS.index("sinks")]
        assert masses["mass"].to_list() == pytest.approx(expected.tolist())
        heads = tables["heads"].filter(of_document, layer=1, head=2).row(0, named=True)
        assert heads["sink_score"] == pytest.approx(made["sink_score"][1, 2, 0])
        assert heads["local_3_no_sinks"] == pytest.approx(made["local_no_sinks"][1, 2, 2])


def test_masses_have_a_row_for_every_document_layer_and_key_set(tables):
    table = tables["sink_mass"]
    assert table.height == len(CELLS) * N_LAYERS * len(KEY_SETS)
    n_keys = table.filter(document="b", layer=1).select("key_set", "n_keys").rows()
    there = {"cls": 1, "word": 1, "sep": 1, "first_token": 1, "first_four": 3, "special": 2}
    assert dict(n_keys) == dict.fromkeys(KEY_SETS, 0) | there | {"listed_sinks": 2, "sinks": 1}


def test_means_of_masses_are_over_the_documents_that_have_keys_of_the_set(tables):
    table = tables["sink_mass_means"]
    assert table.height == N_LAYERS * len(KEY_SETS)
    for row in table.iter_rows(named=True):
        place = row["layer"], KEY_SETS.index(row["key_set"])
        own = tables["sink_mass"].filter(pl.col("n_keys") > 0, key_set=row["key_set"])
        names = own["document"].unique().to_list()
        values = [float(made["mass"][place]) for made in CELLS if made.meta["document"] in names]
        assert row["n_documents"] == len(values)
        assert row["mass"] == (pytest.approx(np.mean(values)) if values else None)
        # Of two documents the interval is from one to the other.
        ends = sorted(values) if len(values) == 2 else [None, None]
        assert [row["mass_low"], row["mass_high"]] == ends
        assert (row["n_strict"], row["strict_mass"]) == (0, None)
        of_layer = tables["sink_mass"].filter(key_set=row["key_set"], layer=row["layer"])
        of_layer = of_layer.filter(pl.col("document").is_in(names))
        for name in ("uniform_mass", "times_uniform"):
            beside = of_layer[name].fill_nan(None).drop_nulls().to_list()
            assert row[name] == (pytest.approx(np.mean(beside)) if beside else None)
            found = [row[f"{name}_{end}"] for end in ("low", "high")]
            two = len(beside) == 2
            assert found == (pytest.approx(sorted(beside)) if two else [None, None])
    assert set(table.filter(layer=0)["n_documents"]) == {0, 1, 2}


def test_the_interval_of_a_rate_is_over_documents_not_heads(tables):
    """Of two documents the rate of each is an end."""
    documents = tables["sink_rate_documents"]
    assert (documents["n_heads"] == N_HEADS).all()
    for row in tables["sink_rate"].filter(n_documents=2).iter_rows(named=True):
        place = {name: row[name] for name in ("layer", "key_set")}
        own = documents.filter(pl.col("window").eq_missing(row["window"]), **place)
        shares = (own["n_above"] / own["n_heads"]).to_list()
        assert [row["low"], row["high"]] == pytest.approx(sorted(shares))
        assert row["rate"] == pytest.approx(np.mean(shares))
    assert tables["sink_rate"].filter(pl.col("n_documents") < 2)["low"].null_count() > 0


def test_a_rate_weighs_documents_alike_in_its_resamples():
    cells = [cell(name, ["cls", "word", "sep"], seed=i) for i, name in enumerate("abcde")]
    made = tables_of_model(MODEL, cells, [entry(name) for name in "abcde"], LIMITS)
    table = made["sink_rate"].collect().filter(pl.col("window").is_null(), key_set="first_token")
    for row in table.iter_rows(named=True):
        above = [[np.mean(one["sink_score"][row["layer"], :, 0] > 0.5)] for one in cells]
        means = intervals.means(np.array(above))
        (low,), (high,) = intervals.interval(means)
        found = [row["rate"], row["low"], row["high"]]
        assert found == pytest.approx([means[0, 0], low, high])


def test_max_keys_of_documents_add_up_to_the_histogram(tables):
    documents = tables["max_attention_documents"]
    for made in CELLS:
        own = documents.filter(document=made.meta["document"])
        assert own["count"].sum() == N_LAYERS * made.n_tokens
    keys = ["token", "key_class"]
    both = documents.group_by(keys).agg(pl.col("count").sum()).sort(keys)
    assert both.equals(tables["max_attention_tokens"].select(*keys, "count").sort(keys))


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
        reduce_model(order, project / out / "parts", LIMITS, project)
        write_tables([project / out / "parts"], project / out / "tables")
    first = {path.name: path.read_bytes() for path in (project / "x/tables").iterdir()}
    assert first == {path.name: path.read_bytes() for path in (project / "y/tables").iterdir()}
    assert {"sink_mass.parquet", "sink_mass.csv", "heads.parquet"} <= set(first)


def test_a_cell_that_is_gone_or_changed_is_named(project):
    path = cell_path(project / "results", "m", "a")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(SinkscopeError, match=r"cells/m/a\.safetensors: is missing, or not what"):
        reduce_model([project / "0.json"], project / "parts", LIMITS, project)
