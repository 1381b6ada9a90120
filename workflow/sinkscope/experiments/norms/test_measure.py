"""Norms at sink tokens: planted norms, massive activations and values are measured correctly."""

import dataclasses

import numpy as np
import polars as pl
import pytest
import torch

import reference
import tiny
from planted import pass_of, two_sinks
from sinkscope.experiments.norms import measure as norms
from sinkscope.experiments.norms.measure import activations, by_position, norms_of, ratios, sinks_of
from sinkscope.extract.encode import Encoded, encode
from sinkscope.measure.passes import plan_of
from tasks import documents, task

CLASSES = ["first", "word", "word", "terminator", "word", "word"]
TOKENS = ["Z", "a", "b", ".", "c", "d"]
ENCODED = Encoded(list(range(6)), TOKENS, CLASSES, 6)


def planted():
    """One layer: key 0's state is 7 times as long as others', its value a tenth, in both heads."""
    ids = torch.zeros(1, 6, dtype=torch.long)
    states = torch.ones(1, 6, 4)
    states[:, 0] = 7.0
    value = torch.ones(1, 2, 6, 3)
    value[:, :, 0] = 0.1
    value[:, 1] *= 3  # the second head's values are longer: the mean is over heads
    plan = plan_of(ids, [[0]], weighted=True)
    return pass_of([two_sinks(6, 3, 0.5, 0.2)], plan, states=[states], values=[value])


def test_planted_norms_come_out_by_position_and_as_ratios():
    planted_norms = norms_of(planted())
    table = by_position(planted_norms, ENCODED)
    np.testing.assert_allclose(table["state"], [14.0, *[2.0] * 5], rtol=1e-6)
    np.testing.assert_allclose(table["key"], 1.0, rtol=1e-6)  # rows of the identity
    length = np.sqrt(3) * 2  # mean of 1 and 3 times the square root of 3
    np.testing.assert_allclose(table["value"], [0.1 * length, *[length] * 5], rtol=1e-6)
    assert table["token"].to_list() == TOKENS
    by_sink = ratios(planted_norms, sinks_of(ENCODED))
    assert by_sink.select("sink", "position").rows() == [
        ("first_token", 0), ("first_terminator", 3),
    ]  # fmt: skip
    np.testing.assert_allclose(by_sink["state"], [7, 1], rtol=1e-6)
    np.testing.assert_allclose(by_sink["value"], [0.1, 1], rtol=1e-6)


def test_weighted_by_values_a_sink_with_a_small_one_shrinks():
    """Rows give key 0 a half: of two unequal parts 0.05 and 0.5 it keeps 1 / 11."""
    table = norms.masses(planted(), {"first_token": [0]})
    assert table["n_keys"].to_list() == [1]
    assert table["mass"][0] == pytest.approx((1 + 5 * 0.5) / 6, abs=1e-5)
    assert table["norm_mass"][0] == pytest.approx((1 + 5 / 11) / 6, abs=1e-5)


def test_a_text_of_sinks_alone_has_no_others_to_compare_with():
    assert ratios(np.ones((3, 2, 1)), {0: "first_token"})["state"].is_nan().all()


def test_massive_activations_meet_both_marks_and_the_largest_are_recorded_anyway():
    quiet, loud, above = (torch.full((1, 6, 50), 0.01) for _ in range(3))
    quiet[0, 2, 5] = -9.0  # 900 times the median, and small
    loud[0, 0, 7], loud[0, 0, 9], loud[0, 3, 7] = -400.0, 300.0, 99.0
    above[:] = 1.0
    above[0, 0, 1] = 999.0  # large, but not 1000 times the median
    rows = activations((quiet, loud, above), ENCODED)
    massive = rows.filter("is_massive")
    assert massive.select("layer", "position", "dimension", "activation").rows() == [
        (1, 0, 7, -400.0), (1, 0, 9, 300.0),
    ]  # fmt: skip
    assert rows.group_by("layer", maintain_order=True).len()["len"].to_list() == [3, 3, 3]
    first = rows.filter(pl.col("rank") == 0)
    assert first["dimension"].to_list() == [5, 7, 1]
    assert first["token"].to_list() == ["b", "Z", "Z"]
    np.testing.assert_allclose(rows.filter(layer=0)["median"], 0.01, rtol=1e-6)


def test_many_massive_activations_are_all_recorded():
    state = torch.full((1, 6, 50), 0.01)
    state[0, 0, :8] = 500.0
    assert activations((state,), ENCODED)["is_massive"].sum() == 8


def test_of_equal_activations_the_first_positions_are_recorded():
    rows = activations((torch.ones(1, 6, 50),), ENCODED)
    assert rows.select("position", "dimension").rows() == [(0, 0), (0, 1), (0, 2)]


def test_a_special_token_that_occurs_twice_is_a_sink_twice():
    classes = ["cls", "word", "terminator", "sep", "mask", "sep"]
    encoded = Encoded(list(range(6)), TOKENS, classes, 6)
    sinks = sinks_of(encoded)
    assert sinks == {0: "first_token", 2: "first_terminator", 3: "sep", 5: "sep"}
    sizes = np.array([8.0, 2, 6, 4, 2, 10])
    rows = ratios(np.tile(sizes, (3, 1, 1)), sinks)
    assert rows.select("sink", "position", "state").rows() == [
        ("first_token", 0, 4.0), ("first_terminator", 2, 3.0), ("sep", 3, 2.0), ("sep", 5, 5.0),
    ]  # fmt: skip


def test_key_sets_that_a_document_lacks_have_no_mass():
    loaded = tiny.loaded("gpt2", tiny.byte_tokenizer())
    loaded = dataclasses.replace(loaded, network=tiny.network("gpt2", vocab_size=258))
    job = task("norms", *documents("no end", "an end. yes"))
    table = norms.measure(loaded, job)["norm_weighted"]
    ends = table.filter(key_set="first_terminator").sort("document", "layer")
    assert ends["n_keys"].to_list() == [0, 0, 0, 1, 1, 1]
    assert ends["norm_mass"].to_list()[:3] == [0.0] * 3
    assert (ends["norm_mass"][3:] > 0).all()


@pytest.mark.parametrize("name", tiny.NAMES)
def test_tiny_models_agree_with_full_matrices(name):
    encoder = name in tiny.ENCODERS
    tokenizer = tiny.letter_tokenizer() if encoder else tiny.byte_tokenizer()
    network = tiny.network(name, vocab_size=len(tokenizer))
    loaded = dataclasses.replace(tiny.loaded(name, tokenizer), network=network)
    job = task("norms", *documents("z the cat sat! it ran", ""))
    frames = norms.measure(loaded, job)
    encoded = encode(loaded, "d0", job.documents[0].text, truncate=True)
    ids = torch.tensor([encoded.ids])
    with torch.inference_mode(), reference.capture() as captured:
        output = network(ids, output_hidden_states=True)
    p, _ = captured.document(0)
    value = np.stack([layer[0] for layer in captured.value])  # [layer, head, key, d]
    table = frames["norms"].sort("layer", "position")
    expected = np.linalg.norm(value, axis=-1).mean(1)
    np.testing.assert_allclose(table["value"], expected.ravel(), rtol=1e-4)
    states = np.stack([state[0].double().numpy() for state in output.hidden_states[: len(p)]])
    np.testing.assert_allclose(table["state"], np.linalg.norm(states, axis=-1).ravel(), rtol=1e-4)
    first = frames["norm_weighted"].filter(pl.col("key_set") == "first_token").sort("layer")
    np.testing.assert_allclose(first["norm_mass"], reference.norm_mass(p, value, [0]), 1e-4)
    np.testing.assert_allclose(first["mass"], reference.mass(p, [0]), 1e-4)
    largest = frames["activations"].filter(pl.col("rank") == 0).sort("layer")
    np.testing.assert_allclose(largest["activation"].abs(), np.abs(states).max((1, 2)), rtol=1e-5)


def test_no_document_that_can_be_read_gives_empty_frames():
    job = task("norms", *documents(""))
    frames = norms.measure(tiny.loaded("gpt2", tiny.byte_tokenizer()), job)
    assert all(frame.is_empty() for frame in frames.values())
