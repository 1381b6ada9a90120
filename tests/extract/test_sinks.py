"""Which keys are sinks: closed forms, and the rule once more in float64."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
import tiny
from compare import observe, of_call, plan
from sinkscope.config import load, read_config
from sinkscope.extract.analyse import Analyser
from sinkscope.extract.door import answered
from sinkscope.extract.masks import Call
from sinkscope.extract.model import load_model
from sinkscope.extract.observation import Observation
from sinkscope.extract.states import States, entering, reduce_state
from sinkscope.extract.streaming import Workspace
from sinkscope.sink_rule import SinkRule

RULE = SinkRule()
BOTH = pytest.mark.parametrize("causal", [True, False])
ALL_NAMES = ("is_sink", "by_attention", "steady", "is_head_sink", "sink_mass", "strict_sink_mass")


def planted(n_tokens, logits, causal, n_heads=2, noise=0.0, seed=0, attention="softmax"):
    """Attention whose logits depend on the key only, plus noise. logits: key to logit."""
    random = torch.Generator().manual_seed(seed)
    query = torch.ones(1, n_heads, n_tokens, 1)
    key = torch.zeros(1, n_heads, n_tokens, 1)
    for at, logit in logits.items():
        key[:, :, at] = logit
    query = torch.cat([query, torch.randn(1, n_heads, n_tokens, 4, generator=random) * noise], -1)
    key = torch.cat([key, torch.randn(1, n_heads, n_tokens, 4, generator=random) * noise], -1)
    return Call(query, key, key, None, causal, 1.0, attention)


def matrix(call):
    """(p [1, head, query, key] float64, visible) of a call without a mask."""
    logits = (call.query.double() @ call.key.double().transpose(2, 3)).numpy()
    n_tokens = logits.shape[-1]
    seen = np.tril(np.ones((n_tokens, n_tokens), bool)) if call.is_causal else np.ones(
        (n_tokens, n_tokens), bool)  # fmt: skip
    return reference.softmax(logits, seen), seen


def keys_of(flags):
    return np.flatnonzero(flags).tolist()


@BOTH
def test_even_attention_has_no_sinks(causal):
    found = of_call(planted(60, {}, causal), rule=RULE)
    assert not found["is_sink"].any()
    assert not found["is_head_sink"].any()
    assert (found["sink_mass"] == 0).all()
    np.testing.assert_array_equal(found["local_no_sinks"], found["local"])


@BOTH
def test_a_planted_column_is_found_and_nothing_else(causal):
    found = of_call(planted(80, {7: 4.0}, causal), rule=RULE)
    assert keys_of(found["is_sink"][0]) == [7]
    assert keys_of(found["is_head_sink"][0, 1]) == [7]
    assert found["steady"][0, 7] == 1
    weight = np.exp(4.0)
    if causal:
        rows = [weight / (weight + i) if i >= 7 else 0.0 for i in range(80)]
    else:
        rows = [weight / (weight + 79)] * 80
    np.testing.assert_allclose(found["sink_mass"], np.mean(rows), rtol=1e-6)
    outside = [row for i, row in enumerate(rows) if i not in (0, 7)]
    np.testing.assert_allclose(found["strict_sink_mass"], np.mean(outside), rtol=1e-6)


def test_a_planted_pair_of_twins_is_found_whole_though_the_histogram_names_one():
    found = of_call(planted(80, {0: 4.0, 79: 4.0}, causal=False), rule=RULE)
    assert keys_of(found["is_sink"][0]) == [0, 79]
    assert (found["max_key"] == 0).all()
    np.testing.assert_allclose(found["second_value"], found["max_value"], rtol=1e-6)


def test_a_word_that_few_queries_look_for_is_no_sink():
    """Its mean attention is far above the limits; it is not steady."""
    call = planted(100, {}, causal=True)
    query, key = torch.zeros(1, 2, 100, 2), torch.zeros(1, 2, 100, 2)
    query[:, :, 41:53, 0], key[:, :, 40, 0] = 12.0, 1.0  # of 60 queries, the next twelve
    found = of_call(call._replace(query=query, key=key, value=key), rule=RULE)
    received = found["sink_score"][0].mean(0)[40]
    assert received > RULE.floor
    assert received > RULE.times * reference.uniform(np.tril(np.ones((100, 100), bool)))[40]
    assert found["steady"][0, 40] == pytest.approx(12 / 60)
    assert not found["is_sink"][0, 40]


def test_keys_that_too_few_queries_see_are_not_judged():
    last = planted(100, {80: 9.0}, causal=True)
    assert not of_call(last, rule=RULE)["is_sink"].any()
    assert keys_of(of_call(last, rule=replace(RULE, n_queries=20))["is_sink"][0]) == [80]


def test_a_sink_of_one_head_is_told_from_one_of_the_mean():
    call = planted(80, {}, causal=True, n_heads=8)
    key = call.key.clone()
    key[:, 3, 5, 0] = 3.0
    found = of_call(call._replace(key=key), rule=replace(RULE, times=6.0))
    assert keys_of(found["is_head_sink"][0, :, 5]) == [3]
    assert not found["is_sink"].any()


@BOTH
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_any_attention_gives_the_sinks_of_the_definition(causal, data):
    n_tokens = data.draw(st.integers(30, 70))
    logits = data.draw(st.dictionaries(st.integers(0, n_tokens - 1), st.floats(1, 6), max_size=4))
    call = planted(n_tokens, logits, causal, noise=0.7, seed=data.draw(st.integers(0, 99)))
    found = of_call(call, rule=RULE, block=16)
    p, seen = matrix(call)
    expected = reference.sinks(p, seen, RULE)
    # Rounding may decide keys whose attention lies at a limit; those are not compared.
    for name in ("is_sink", "by_attention", "is_head_sink"):
        near = at_a_limit(p if name == "is_head_sink" else p.mean(1, keepdims=True), seen)
        near = near if name == "is_head_sink" else near[:, 0]
        np.testing.assert_array_equal(found[name] | near, expected[name] | near, err_msg=name)
    if not at_a_limit(p.mean(1, keepdims=True), seen).any():
        for name in ("sink_mass", "strict_sink_mass", "local_no_sinks"):
            np.testing.assert_allclose(found[name], expected[name], 1e-5, 1e-7, err_msg=name)


def at_a_limit(a, seen):
    """[layer, head, key] whether a rounding error could change what the rule says."""
    score, even = reference.sink_score(a, seen), reference.uniform(seen)
    limit = np.maximum(RULE.floor, RULE.times * even)
    near = np.abs(score - limit) < 1e-5
    close = np.abs(a - 1.001 / seen.sum(1)[:, None]) < 1e-6
    return near | close.any(2)


@pytest.mark.parametrize("name", tiny.NAMES)
def test_random_weights_have_no_sinks(name):
    """Of the size that models begin with."""
    network = tiny.network(name, initializer_range=0.02, init_std=0.02)
    found, _ = observe(network, torch.tensor(tiny.token_ids(80)), rule=RULE)
    assert not found["is_sink"].any()
    assert not found["is_head_sink"].any()


def test_the_words_that_are_sinks_in_smollm2_are_found_where_they_are():
    """No list has "▁the": at the beginning of a text it takes more than the first token, from the
    layer that makes it a twin of key 0 to the layer after its state has left it."""
    config = load(read_config(tiny.ROOT / "config" / "config.yaml"), tiny.ROOT)
    loaded = load_model(config.model("smollm2-135m"), tiny.ROOT)
    (document,) = [one for one in config.documents if one.name == "science-news"]
    analyser = Analyser(loaded, config.settings, Workspace(loaded.device))
    with reference.capture() as captured:
        loaded.network(
            input_ids=torch.tensor([analyser.encode_all([document])[0].ids]), use_cache=False
        )
    cell = analyser.analyse(document)
    p, seen = captured.document(0)
    words = np.array(cell.meta["tokens"]) == "▁the"
    layers = np.flatnonzero(cell["is_sink"][:, words].any(1))
    assert layers.tolist() == [2, 3, 4, 5, 6, 7, 8, 9, 10]
    close = np.flatnonzero(cell["by_state"][:, words].any(1))
    assert close.tolist() == [3, 4, 5, 6, 7, 8, 9]
    expected = reference.sinks(p, seen, config.settings.rule, cell["state_cosine"])
    for name in ("is_sink", "by_attention", "is_head_sink"):
        np.testing.assert_array_equal(cell[name], expected[name], err_msg=name)
    np.testing.assert_allclose(cell["mass"][:, -1], expected["sink_mass"], 1e-4)
    np.testing.assert_allclose(cell["strict_mass"][:, -1], expected["strict_sink_mass"], 1e-4)
    of_words = p[5].mean(0)[:, words & cell["is_sink"][5]].sum(1).mean()
    assert of_words > p[5].mean(0)[:, 0].mean()  # more than the first token


@pytest.mark.parametrize("attention", ["softmax_off_by_one", "sigmoid"])
def test_alternatives_to_softmax_are_judged_by_their_own_rows(attention):
    """A key whose logit is high is a sink of any kind of rows; its mass is what the rows say."""
    call = planted(60, {3: 5.0}, causal=False, attention=attention)
    found = of_call(call, rule=RULE)
    assert keys_of(found["is_sink"][0]) == [3]
    row = np.exp(5.0) / (np.exp(5.0) + 59 + 1)
    if attention == "sigmoid":
        row = 1 / (1 + np.exp(-(5.0 - np.log(60))))
    np.testing.assert_allclose(found["sink_mass"], row, rtol=1e-5)


def test_padding_changes_nothing():
    alone = of_call(planted(60, {2: 4.0, 9: 3.0}, causal=True, noise=0.3), rule=RULE)
    call = planted(60, {2: 4.0, 9: 3.0}, causal=True, noise=0.3)
    wide = torch.zeros(1, 2, 70, 5)
    for start in (0, 10):
        real = torch.zeros(1, 70, dtype=torch.bool)
        real[:, start : start + 60] = True
        rows = [wide.clone() for _ in range(2)]
        for row, of in zip(rows, (call.query, call.key), strict=True):
            row[:, :, start : start + 60] = of
        mask = real[:, None, None, :] & torch.ones(70, 70, dtype=torch.bool).tril()
        padded = Call(rows[0], rows[1], rows[1], mask, False, 1.0)
        observation = Observation(plan(real, rule=RULE), Workspace(torch.device("cpu")))
        observation(padded)
        (layer,) = observation.layers
        for name in ALL_NAMES:
            values = getattr(layer, name).numpy()
            if values.ndim > 1:
                values = values[..., start : start + 60]
            np.testing.assert_allclose(values, alone[name], 1e-5, 1e-6, err_msg=f"{name} {start}")


def test_by_state_keys_whose_state_is_that_of_key_0_are_sinks():
    rule = replace(RULE, by="state_cosine")
    state = torch.randn(1, 60, 16, generator=torch.Generator().manual_seed(1))
    state[0, 20], state[0, 30] = 3 * state[0, 0], -0.5 * state[0, 0]
    call = planted(60, {7: 4.0}, causal=True, noise=0.3)
    observation = Observation(plan(torch.ones(1, 60, dtype=torch.bool), rule=rule),
                              Workspace(torch.device("cpu")))  # fmt: skip
    observation.states.enter(0, state)
    observation(call)
    (layer,) = observation.layers
    assert keys_of(layer.is_sink[0]) == [0, 20, 30]
    assert keys_of(layer.by_attention[0]) == [7]
    p, seen = matrix(call)
    cosine = (state[0] @ state[0, 0]) / (state[0].norm(dim=-1) * state[0, 0].norm())
    expected = reference.sinks(p, seen, rule, cosine.numpy()[None])
    for name in ("by_state", "sink_mass", "strict_sink_mass", "local_no_sinks"):
        np.testing.assert_allclose(getattr(layer, name), expected[name], 1e-5, err_msg=name)
    np.testing.assert_allclose(layer.state_norm[0], state[0].norm(dim=-1), rtol=1e-6)


def test_norm_and_cosine_of_states_count_from_each_document_s_first_token():
    state = torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(2))
    norm, cosine = reduce_state(state, torch.tensor([0, 2]))
    for row, first in ((0, 0), (1, 2)):
        for token in range(6):
            a, b = state[row, token].double().numpy(), state[row, first].double().numpy()
            expected = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
            assert float(cosine[row, token]) == pytest.approx(expected, abs=1e-6)
    np.testing.assert_allclose(norm, np.linalg.norm(state.numpy(), axis=-1), rtol=1e-6)


@pytest.mark.parametrize("name", tiny.NAMES)
def test_the_states_are_those_that_the_library_shows(name):
    """Of every family: what the hooks get is what output_hidden_states gives, layer by layer."""
    loaded = tiny.loaded(name)
    network, n_layers = loaded.network, loaded.n_layers
    ids = torch.arange(5, 25)[None]
    taken, states = [], States(torch.ones_like(ids, dtype=torch.bool))
    with (
        torch.inference_mode(),
        entering(network, n_layers, states),
        answered(lambda call: taken.append(states.take()), network, beside=True),
    ):
        output = network(input_ids=ids, output_hidden_states=True)
    assert len(taken) == n_layers
    for one, expected in zip(taken, output.hidden_states, strict=False):
        torch.testing.assert_close(one.norm, expected.norm(dim=-1))
    assert not any(m._forward_pre_hooks for m in network.modules())


def test_where_the_layers_are_no_list_the_states_are_unknown():
    network = torch.nn.Sequential(torch.nn.Linear(4, 4))
    states = States(torch.ones(1, 3, dtype=torch.bool))
    with entering(network, 1, states):
        network(torch.zeros(1, 3, 4))
    assert states.take() is None
