"""Matrix entropy of states whose entropy is known, and of tiny models against numpy's svd."""

import dataclasses
import math

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tiny
from sinkscope.experiments.depth.measure import matrix_entropy, measure, of_layer
from sinkscope.extract.encode import encode
from tasks import documents, task


def by_svd(states):
    """In nats, from the singular values themselves."""
    squares = np.linalg.svd(states, compute_uv=False) ** 2
    p = squares / squares.sum()
    p = p[p > 0]
    return -(p * np.log(p)).sum()


def test_equal_states_lie_on_one_line():
    row = of_layer(np.tile([3.0, -1.0, 2.0, 0.5], (6, 1)))
    assert row["entropy"] == pytest.approx(0, abs=1e-12)
    assert row["nats_no_first"] == pytest.approx(0, abs=1e-12)
    assert row["norm_ratio"] == pytest.approx(1)
    assert row["square_share"] == pytest.approx(1 / 6)


@pytest.mark.parametrize(("n_tokens", "d"), [(5, 9), (9, 9)])
def test_orthogonal_states_of_one_length_fill_all_directions(n_tokens, d):
    row = of_layer(7.0 * np.eye(n_tokens, d))
    assert row["entropy"] == pytest.approx(1)
    assert row["nats"] == pytest.approx(math.log(n_tokens))
    assert row["nats_no_first"] == pytest.approx(math.log(n_tokens - 1))


def test_more_tokens_than_dimensions_are_compared_with_the_dimensions():
    row = of_layer(np.tile(np.eye(4), (3, 1)))
    assert row["entropy"] == pytest.approx(1)
    assert row["nats"] == pytest.approx(math.log(4))


def test_one_huge_token_hides_the_others_and_only_until_it_is_left_out():
    states = np.eye(8, 10)
    states[0] *= 1000
    row = of_layer(states)
    assert row["entropy"] < 1e-3
    assert row["entropy_no_first"] == pytest.approx(1)
    assert row["norm_ratio"] == pytest.approx(1000)
    assert row["square_share"] == pytest.approx(1e6 / (1e6 + 7))


@given(st.integers(0, 10**6), st.integers(2, 20), st.integers(2, 20), st.floats(1e-3, 1e3))
def test_turning_and_scaling_states_changes_nothing(seed, n_tokens, d, scale):
    random = np.random.default_rng(seed)
    states = random.normal(size=(n_tokens, d))
    turn, _ = np.linalg.qr(random.normal(size=(d, d)))
    before, after = of_layer(states), of_layer(scale * states @ turn)
    for name, value in before.items():
        assert after[name] == pytest.approx(value, rel=1e-9, abs=1e-9, nan_ok=True), name


@given(st.integers(0, 10**6), st.integers(1, 30), st.integers(1, 30), st.floats(0, 6))
def test_the_gram_matrix_gives_what_the_singular_values_give(seed, n_tokens, d, decades):
    """Also where lengths differ by up to `decades` powers of ten."""
    random = np.random.default_rng(seed)
    lengths = 10.0 ** random.uniform(0, decades, size=(n_tokens, 1))
    states = random.normal(size=(n_tokens, d)) * lengths
    assert matrix_entropy(states) == pytest.approx(by_svd(states), abs=1e-10)


@given(st.integers(0, 10**6), st.integers(3, 20), st.floats(0.1, 100))
def test_the_largest_part_is_at_least_that_of_key_0(seed, n_tokens, size):
    """The bound of Queipo-de-Llano et al.: p_1 >= M / (M + R)."""
    states = np.random.default_rng(seed).normal(size=(n_tokens, 12))
    states[0] *= size
    squares = np.linalg.svd(states, compute_uv=False) ** 2
    assert of_layer(states)["square_share"] <= squares[0] / squares.sum() + 1e-12


def test_what_has_no_entropy_is_missing_and_no_error():
    one, two = of_layer(np.ones((1, 4))), of_layer(np.eye(2, 4))
    assert math.isnan(one["entropy"])
    assert math.isnan(one["norm_ratio"])
    assert two["entropy"] == pytest.approx(1)
    assert math.isnan(two["entropy_no_first"])
    assert all(math.isnan(value) for value in of_layer(np.zeros((3, 4))).values())
    assert math.isnan(of_layer(np.full((3, 4), np.inf))["entropy"])


@pytest.mark.parametrize("name", tiny.NAMES)
def test_tiny_models_agree_with_numpy(name):
    encoder = name in tiny.ENCODERS
    tokenizer = tiny.letter_tokenizer() if encoder else tiny.byte_tokenizer()
    network = tiny.network(name, vocab_size=len(tokenizer))
    loaded = dataclasses.replace(tiny.loaded(name, tokenizer), network=network)
    job = task("depth", *documents("z the cat sat! it ran away", ""), experiment_tokens=16)
    table = measure(loaded, job)["matrix_entropy"].sort("layer")
    assert table["document"].to_list() == ["d0"] * loaded.n_layers
    assert set(table["n_tokens"]) == {16}
    shorter = dataclasses.replace(loaded, max_length=16)
    ids = encode(shorter, "d0", job.documents[0].text, truncate=True).ids
    with torch.inference_mode():
        output = network(torch.tensor([ids]), output_hidden_states=True)
    for row, hidden in zip(table.iter_rows(named=True), output.hidden_states, strict=False):
        states = hidden[0].double().numpy()
        assert row["nats"] == pytest.approx(by_svd(states), rel=1e-4)
        assert row["entropy"] == pytest.approx(by_svd(states) / math.log(16), rel=1e-4)
        expected = by_svd(states[1:]) / math.log(15)
        assert row["entropy_no_first"] == pytest.approx(expected, rel=1e-4)
        lengths = np.linalg.norm(states, axis=1)
        assert row["norm_ratio"] == pytest.approx(lengths[0] / np.median(lengths[1:]), rel=1e-4)


def test_no_document_that_can_be_read_gives_no_frames():
    frames = measure(tiny.loaded("gpt2", tiny.byte_tokenizer()), task("depth", *documents("")))
    assert frames == {}


def test_documents_come_by_name():
    loaded = tiny.loaded("gpt2", tiny.byte_tokenizer())
    job = task("depth", *documents("one two", "three"))
    table = measure(loaded, dataclasses.replace(job, documents=job.documents[::-1]))
    names = table["matrix_entropy"].unique("document", maintain_order=True)["document"]
    assert names.to_list() == ["d0", "d1"]
    assert table["matrix_entropy"].filter(pl.col("layer") == 0)["n_tokens"].to_list() == [7, 5]
