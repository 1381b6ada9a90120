"""Frames of sinks from a made cell whose answers are known."""

import numpy as np
import pytest

from sink_arrays import RULE, sink_arrays
from sinkscope.atlas.derive import table_of_cells
from sinkscope.atlas.limits import Limits
from sinkscope.extract.cell import Cell
from sinkscope.keys import KEY_SETS

N_LAYERS, N_HEADS, N = 4, 2, 6
TOKENS = ["Z", "the", "cat", "the", "sat", "."]


def cell(document="d", is_sink=((1, 1), (2, 1), (2, 3), (3, 0)), close=((2, 1), (2, 3))):
    """is_sink, close: (layer, key) pairs."""
    visible = np.tri(N)
    flags = [np.zeros((N_LAYERS, N), bool) for _ in range(2)]
    for flag, pairs in zip(flags, (is_sink, close), strict=True):
        for layer, key in pairs:
            flag[layer, key] = True
    flags[1][:, 0] = True  # the state of key 0 is close to itself
    score = np.tile(np.arange(1, N + 1) / 10, (N_LAYERS, N_HEADS, 1)).astype(np.float32)
    score[2] /= 2
    arrays = {
        "max_key": np.array([[0] * N, [1] * N, [0, 1, 1, 1, 1, 1], [0] * N], np.int32),
        "max_value": np.ones((N_LAYERS, N), np.float32),
        "second_value": np.zeros((N_LAYERS, N), np.float32),
        "sink_score": score,
        "n_queries": np.tile(visible.sum(0), (N_LAYERS, 1)).astype(np.int32),
        "window_score": score[..., :0],
        "n_window_queries": np.zeros((N_LAYERS, 0), np.int32),
        "mass": np.full((N_LAYERS, len(KEY_SETS)), 0.5, np.float32),
        "strict_mass": np.zeros((N_LAYERS, len(KEY_SETS)), np.float32),
    } | sink_arrays(flags[0], N_HEADS, visible, flags[1])
    meta = {
        "model": "m", "document": document, "tokens": TOKENS,
        "classes": ["first", "word", "word", "word", "word", "terminator"], "sink_rule": RULE,
        "layers": list(range(N_LAYERS)),
        "window": 64,
    }  # fmt: skip
    return Cell(meta, arrays)


def table(name, *cells):
    return table_of_cells(name, "m", cells, Limits()).collect()


def test_a_row_says_what_a_sink_receives_and_from_whom():
    (row,) = table("found_sinks", cell()).filter(layer=2, key=1).rows(named=True)
    assert (row["token"], row["key_class"], row["n_heads"]) == ("the", "word", 2)
    assert (row["is_sink"], row["by_attention"], row["by_state"]) == (True, True, True)
    assert row["n_queries"] == 5
    assert row["received"] == pytest.approx(0.1)
    assert row["mass"] == pytest.approx(0.1 * 5 / 6)
    assert row["times_uniform"] == pytest.approx(0.1 / np.mean([1 / i for i in range(2, 7)]))
    assert row["share_of_max_keys"] == pytest.approx(5 / 6)
    assert row["share_of_queries"] == pytest.approx(0.9)
    assert row["state_cosine"] == pytest.approx(-0.95)
    assert row["state_norm"] == 10 / 6  # three of six states have a norm of 10, the others 2
    assert row["value_norm"] == 0.5


def test_a_row_stands_for_every_rule_by_which_a_key_is_a_sink():
    made = cell()
    made["is_head_sink"][0, 1, 4] = True  # of one head alone
    found = table("found_sinks", made)
    by = {(r["layer"], r["key"]): (r["by_attention"], r["by_state"], r["n_heads"])
          for r in found.iter_rows(named=True)}  # fmt: skip
    assert by[0, 4] == (False, False, 1)
    assert by[3, 0] == (True, True, 2)
    assert by[1, 0] == (False, True, 0)
    assert set(by) == {(0, 0), (0, 4), (1, 0), (1, 1), (2, 0), (2, 1), (2, 3), (3, 0)}


def test_a_life_runs_from_the_first_layer_to_the_last_and_has_a_peak_within():
    lives = {row["key"]: row for row in table("sink_lives", cell()).iter_rows(named=True)}
    assert set(lives) == {0, 1, 3}
    life = lives[1]
    assert (life["first_layer"], life["last_layer"], life["n_layers"]) == (1, 2, 2)
    assert life["peak_layer"] == 1  # not layer 0 or 3, where its mass is as large
    assert life["peak_mass"] == pytest.approx(0.2 * 5 / 6)
    assert (life["first_close_layer"], life["last_close_layer"]) == (2, 2)
    assert lives[0]["first_close_layer"] is None


def test_tokens_say_how_many_of_their_occurrences_become_sinks():
    cells = [cell("a"), cell("b", is_sink=[(3, 1)], close=())]
    tokens = {row["token"]: row for row in table("sink_tokens", *cells).iter_rows(named=True)}
    assert set(tokens) == {"the", "Z"}
    the = tokens["the"]
    assert (the["n_occurrences"], the["n_sinks"], the["n_close"]) == (4, 3, 2)
    assert (the["n_documents"], the["n_sink_documents"]) == (2, 2)
    assert (the["first_layer"], the["last_layer"]) == (1, 3)
    assert the["n_judged"] == 4  # 5 and 3 queries see them; RULE wants 3
    assert tokens["Z"]["n_sinks"] == 1
    assert table("sink_tokens", *cells).equals(table("sink_tokens", *cells[::-1]))


def test_masses_stand_beside_what_uniform_attention_would_give():
    masses = table("sink_mass", cell()).filter(layer=2)
    rows = {row["key_set"]: row for row in masses.iter_rows(named=True)}
    even = [sum(1 / (i + 1) for i in range(key, N)) / N for key in range(N)]
    assert rows["first_token"]["uniform_mass"] == pytest.approx(even[0])
    assert rows["sinks"]["n_keys"] == 2
    assert rows["sinks"]["uniform_mass"] == pytest.approx(even[1] + even[3])
    assert rows["sinks"]["times_uniform"] == pytest.approx(0.5 / (even[1] + even[3]))
    assert rows["eos"]["times_uniform"] is None
    whole = sum(rows[name]["uniform_mass"] for name in ("first", "word", "terminator"))
    assert whole == pytest.approx(1)


def test_a_cell_without_sinks_has_no_lives_and_no_tokens():
    bare = cell(is_sink=(), close=())
    assert table("sink_lives", bare).is_empty()
    assert table("sink_tokens", bare).is_empty()
    assert set(table("found_sinks", bare)["key"]) == {0}  # by state, for key 0 is itself
