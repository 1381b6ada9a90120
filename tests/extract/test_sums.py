"""The reductions alone: cases with a known answer."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import reference
from compare import (
    SINKS,
    WINDOW,
    assert_equal,
    expected_of,
    of_call,
    of_layers,
    plan,
)
from sinkscope.extract.masks import Call
from sinkscope.extract.observation import Observation
from sinkscope.extract.streaming import Workspace

BOTH = pytest.mark.parametrize("causal", [True, False])


def call(query, key, causal, mask=None, scale=1.0):
    """query, key: [head, token, d] of one document."""
    query, key = torch.as_tensor(query)[None], torch.as_tensor(key)[None]
    return Call(query.float(), key.float(), key.float(), mask, causal, scale)


@pytest.mark.parametrize("block", [None, 7])
def test_even_causal_attention_gives_the_first_key_the_harmonic_mean(block):
    n_tokens = 40
    even = call(torch.zeros(3, n_tokens, 4), torch.randn(3, n_tokens, 4), causal=True)
    found = of_call(even, block=block)
    harmonic = sum(1 / i for i in range(1, n_tokens + 1))
    np.testing.assert_allclose(found["mass"][0, 0], harmonic / n_tokens, 1e-6)
    np.testing.assert_allclose(found["sink_score"][0, :, 0], harmonic / n_tokens, 1e-6)
    np.testing.assert_allclose(found["sink_score"][0, :, -1], 1 / n_tokens, 1e-6)
    np.testing.assert_allclose(found["entropy"], 1, 1e-6)
    assert (found["max_key"] == 0).all()


def test_even_bidirectional_attention_gives_every_key_the_same():
    n_tokens = 40
    found = of_call(call(torch.zeros(3, n_tokens, 4), torch.randn(3, n_tokens, 4), causal=False))
    np.testing.assert_allclose(found["mass"][0], [1 / n_tokens, 4 / n_tokens, 3 / n_tokens], 1e-6)
    np.testing.assert_allclose(found["sink_score"], 1 / n_tokens, 1e-6)
    np.testing.assert_allclose(found["max_value"], 1 / n_tokens, 1e-6)
    np.testing.assert_allclose(found["entropy"], 1, 1e-6)
    np.testing.assert_allclose(found["map"], 1 / n_tokens, 1e-6)


@BOTH
def test_attention_to_oneself_is_all_local(causal):
    n_tokens = 30
    own = 10 * torch.eye(n_tokens).repeat(2, 1, 1)
    found = of_call(call(own, own, causal))
    assert (found["max_key"][0] == np.arange(n_tokens)).all()
    np.testing.assert_allclose(found["local"], 1, 1e-6)
    np.testing.assert_allclose(found["local_no_sinks"], 1 - len(SINKS) / n_tokens, 1e-6)
    np.testing.assert_allclose(found["entropy"], 0, atol=1e-5)
    np.testing.assert_allclose(found["mass"][0, :2], [1 / n_tokens, 4 / n_tokens], 1e-6)
    np.testing.assert_allclose(found["strict_mass"], 0, atol=1e-6)
    if not causal:
        np.testing.assert_allclose(found["sink_score"], 1 / n_tokens, 1e-6)


@BOTH
def test_attention_to_the_first_key_alone_is_a_sink_of_mass_one(causal):
    n_tokens = 30
    key = torch.zeros(2, n_tokens, 4)
    key[:, 0] = 25
    found = of_call(call(torch.ones(2, n_tokens, 4), key, causal))
    assert (found["max_key"] == 0).all()
    for name in ("max_value", "mass", "strict_mass"):
        np.testing.assert_allclose(found[name][0][..., :2], 1, 1e-6)
    np.testing.assert_allclose(found["mass"][0, 2], 0, atol=1e-6)
    np.testing.assert_allclose(found["sink_score"][0, :, 0], 1, 1e-6)
    np.testing.assert_allclose(found["window_score"][0, :, 0], 1, 1e-6)
    # Six queries, or five, are near enough to see key 0 within five tokens.
    np.testing.assert_allclose(found["local"][0, 0], np.arange(2, 7) / n_tokens, 1e-6)
    np.testing.assert_allclose(found["local_no_sinks"], 0, atol=1e-6)
    np.testing.assert_allclose(found["entropy"], 0, atol=1e-5)


def test_a_sliding_window_counts_only_the_queries_that_see_a_key():
    """A mask narrower than the causal one: the sink score divides by those who can look."""
    n_tokens = 20
    distance = torch.arange(n_tokens)[:, None] - torch.arange(n_tokens)
    mask = ((distance >= 0) & (distance < 4))[None, None]
    random = torch.Generator().manual_seed(1)
    query, key = torch.randn(2, 3, n_tokens, 8, generator=random)
    visible = mask[0, 0].numpy()
    logits = (query.double() @ key.double().transpose(-1, -2)).numpy()
    attention = reference.softmax(logits, np.broadcast_to(visible, logits.shape))[None]
    expected = expected_of(attention, visible)
    for given_mask in (mask, torch.where(mask, 0.0, torch.finfo(torch.float32).min)):
        found = of_call(call(query, key, False, given_mask), block=6)
        found = {name: values[0][None] for name, values in found.items()}
        assert_equal(found, expected)
        np.testing.assert_array_equal(found["max_key"], reference.max_key(attention))
    assert np.isnan(expected["window_score"][..., WINDOW:]).all()


def test_layers_of_one_pass_may_differ_in_who_sees_whom():
    observation = Observation(
        plan(torch.ones(1, 20, dtype=torch.bool)), Workspace(torch.device("cpu"))
    )
    near = torch.ones(20, 20, dtype=torch.bool).triu(-3).tril(3)[None, None]
    for causal, mask in ((False, None), (True, None), (False, near), (True, None)):
        observation(call(torch.zeros(2, 20, 4), torch.zeros(2, 20, 4), causal, mask))
    statistics = of_layers(observation)
    harmonic = np.sum(1 / np.arange(1, 21)) / 20
    near_queries = np.mean([1 / 4, 1 / 5, 1 / 6, 1 / 7])
    expected = [1 / 20, harmonic, near_queries, harmonic]
    np.testing.assert_allclose(statistics["sink_score"][0, :, 0, 0], expected, 1e-6)
    np.testing.assert_allclose(statistics["entropy"], 1, 1e-6)


@BOTH
def test_a_document_of_one_token_attends_to_itself(causal):
    found = of_call(call(torch.ones(2, 1, 4), torch.ones(2, 1, 4), causal), sets=[[0]], sinks=[0])
    assert found["max_key"].tolist() == [[0]]
    assert found["mass"].tolist() == [[1.0]]
    assert found["sink_score"].tolist() == [[[1.0], [1.0]]]
    assert np.isnan(found["entropy"]).all()


@given(st.data(), st.booleans(), st.integers(7, 40))
def test_ties_go_to_the_lowest_key(data, causal, n_tokens):
    """Keys 0, 1, 2 in a random order: small whole numbers, so that equals are equal."""
    kinds = data.draw(st.lists(st.integers(0, 2), min_size=n_tokens, max_size=n_tokens))
    key = torch.tensor(kinds)[None, :, None].repeat(2, 1, 1)
    found = of_call(call(torch.ones(2, n_tokens, 1), key, causal))["max_key"][0]
    for query, chosen in enumerate(found):
        seen = kinds[: query + 1] if causal else kinds
        assert chosen == seen.index(max(seen))
