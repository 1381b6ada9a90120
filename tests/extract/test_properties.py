"""The reductions alone: properties of random attention."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

import reference
from compare import (
    assert_equal,
    expected_of,
    of_call,
    of_document,
    of_layers,
    plan,
)
from sinkscope.extract.masks import Call
from sinkscope.extract.observation import Observation
from sinkscope.extract.streaming import Workspace


@st.composite
def calls(draw, least=7):
    """Random attention of a batch, causal or not, with or without grouped key heads."""
    causal, n_documents, n_tokens, n_kv, group, d = draw(
        st.tuples(
            st.booleans(),
            st.integers(1, 3),
            st.integers(least, 24),
            st.integers(1, 3),
            st.integers(1, 3),
            st.sampled_from([1, 4, 8]),
        )
    )
    random = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))

    def normal(n_heads):
        return torch.randn(n_documents, n_heads, n_tokens, d, generator=random) * 1.5

    return Call(normal(n_kv * group), normal(n_kv), normal(n_kv), None, causal, d**-0.5)


def matrices(given_call, document=0):
    """(attention [1, head, query, key], visible) in float64."""
    group = given_call.query.shape[1] // given_call.key.shape[1]
    q = given_call.query[document].double().numpy()
    k = given_call.key[document].double().numpy().repeat(group, axis=0)
    visible = np.ones((q.shape[1], q.shape[1]), dtype=bool)
    if given_call.is_causal:
        visible = np.tril(visible)
    logits = q @ k.swapaxes(-1, -2) * given_call.scale
    return reference.softmax(logits, np.broadcast_to(visible, logits.shape))[None], visible


def head_mean(statistics):
    """The statistics that know no single heads."""
    return {
        name: statistics[name] for name in ("max_key", "max_value", "mass", "strict_mass", "map")
    }


def per_head(statistics):
    names = ("sink_score", "window_score", "entropy", "local", "local_no_sinks")
    return {name: statistics[name] for name in names}


@given(calls())
def test_statistics_equal_the_reference_for_any_shape(one):
    for document in range(len(one.query)):
        attention, visible = matrices(one, document)
        statistics = {name: values[:, None] for name, values in of_call(one).items()}
        found = of_document(statistics, document, 0, one.query.shape[2])
        assert_equal(found, expected_of(attention, visible), 1e-5, 1e-6)


@given(calls())
def test_every_query_spends_exactly_one(one):
    found, n_tokens = of_call(one), one.query.shape[2]
    n_queries = np.arange(n_tokens, 0, -1) if one.is_causal else np.full(n_tokens, n_tokens)
    np.testing.assert_allclose((found["sink_score"] * n_queries).sum(-1), n_tokens, 1e-5)
    np.testing.assert_allclose(found["map"].sum(-1), 1, 1e-5)
    everything = of_call(one, sets=[list(range(n_tokens))])
    np.testing.assert_allclose(everything["mass"], 1, 1e-5)


@given(calls(), st.integers(1, 30))
def test_the_size_of_blocks_changes_nothing(one, block):
    whole, parts = of_call(one), of_call(one, block=block)
    attention = np.concatenate([matrices(one, i)[0] for i in range(len(one.query))])
    clear = reference.margin(attention) > 1e-6
    np.testing.assert_array_equal(parts.pop("max_key")[clear], whole.pop("max_key")[clear])
    for name, values in whole.items():
        np.testing.assert_allclose(parts[name], values, 1e-5, 1e-6, err_msg=name)


@given(calls(), st.randoms(use_true_random=False))
def test_the_order_of_a_batch_changes_nothing(one, random):
    order = list(range(len(one.query)))
    random.shuffle(order)
    shuffled = Call(one.query[order], one.key[order], one.value[order], None, one.is_causal,
                    one.scale)  # fmt: skip
    found, expected = of_call(shuffled), of_call(one)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values[order], 1e-6, 1e-7, err_msg=name)


@given(st.lists(calls(), min_size=1, max_size=3), st.integers(1, 4))
def test_there_is_one_max_key_for_every_layer_and_token(several, n_layers):
    for one in several:
        n_documents, _, n_tokens, _ = one.query.shape
        real = torch.ones(n_documents, n_tokens, dtype=torch.bool)
        observation = Observation(plan(real), Workspace(one.query.device))
        for _ in range(n_layers):
            observation(one)
        max_key = of_layers(observation)["max_key"]
        assert max_key.shape == (n_documents, n_layers, n_tokens)
        histogram = np.bincount(max_key[0].ravel(), minlength=n_tokens)
        assert histogram.sum() == n_layers * n_tokens
        assert len(histogram) == n_tokens
        assert not one.is_causal or (max_key <= np.arange(n_tokens)).all()


@given(calls(), st.randoms(use_true_random=False))
def test_permuting_heads_only_permutes_what_is_told_by_head(one, random):
    group = one.query.shape[1] // one.key.shape[1]
    key, value = (t.repeat_interleave(group, 1) for t in (one.key, one.value))
    order = list(range(one.query.shape[1]))
    random.shuffle(order)
    plain = Call(one.query, key, value, None, one.is_causal, one.scale)
    permuted = Call(one.query[:, order], key[:, order], value[:, order], None, one.is_causal,
                    one.scale)  # fmt: skip
    found, expected = of_call(permuted), of_call(plain)
    for name, values in per_head(expected).items():
        np.testing.assert_allclose(found[name], values[:, order], 1e-5, 1e-6, err_msg=name)
    for name, values in head_mean(expected).items():
        if name != "max_key":
            np.testing.assert_allclose(found[name], values, 1e-5, 1e-6, err_msg=name)
