"""Models whose attention is looked up in AttentionInterface: with learned sinks or soft caps.

Their rows are held against float64 formulas, and against the rows of the library itself.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModel, Gemma2Config, GptOssConfig

import compare
import reference
import sinkscope
import tiny
from extract.test_sinks import RULE, planted
from sinkscope.errors import ModelError
from sinkscope.extract.architecture import as_observed, check_observable
from sinkscope.extract.masks import Call
from sinkscope.extract.observation import Observation
from sinkscope.extract.observe import run_observed
from sinkscope.extract.streaming import Workspace

SIZES = {
    "vocab_size": 100, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "pad_token_id": 1,
    "max_position_embeddings": 96, "initializer_range": 0.3,
}  # fmt: skip
ROPE = {"rope_type": "default", "rope_theta": 1e4}
CONFIGS = {
    "gpt_oss": GptOssConfig(
        **SIZES, num_local_experts=2, num_experts_per_tok=1, sliding_window=8, rope_parameters=ROPE
    ),
    "granite_swa": AutoConfig.for_model("granite_swa", **SIZES, sliding_window=8),
    "gemma2": Gemma2Config(
        **SIZES, sliding_window=8, attn_logit_softcapping=2.0, query_pre_attn_scalar=8
    ),
}
IDS = torch.tensor(tiny.token_ids(40))


def made(name):
    """A tiny model with sinks of different heads, on which attention depends strongly."""
    config = type(CONFIGS[name]).from_dict(CONFIGS[name].to_dict())
    check_observable("model 'm'", config)
    as_observed(config)
    torch.manual_seed(1)
    network = AutoModel.from_config(config).eval().requires_grad_(False)
    for part, weights in network.named_parameters():
        if part.endswith("sinks"):
            weights.copy_(torch.tensor([-1.0, 0.0, 1.5, 4.0]))
    return replace(tiny.loaded("llama"), network=network)


def rows_of(call):
    """Float64 [head, query, key], and what each query sees [query, key], by the formula."""
    group = call.query.shape[1] // call.key.shape[1]
    query, key = call.query[0].double(), call.key[0].double().repeat_interleave(group, 0)
    logits = (query @ key.mT * call.scale).numpy()
    seen = np.ones(logits.shape[1:], dtype=bool) if call.mask is None else call.mask[0, 0].numpy()
    if call.is_causal:
        seen = seen & np.tril(np.ones_like(seen))
    if call.softcap is not None:
        logits = call.softcap * np.tanh(logits / call.softcap)
    sink = np.full(len(logits), -np.inf) if call.sink is None else call.sink.flatten().numpy()
    weight = np.where(seen, np.exp(logits), 0.0)
    return weight / (np.exp(sink)[:, None, None] + weight.sum(-1, keepdims=True)), seen


@pytest.mark.parametrize("block", [None, 16])
@pytest.mark.parametrize("is_causal", [True, False])
@pytest.mark.parametrize("softcap", [None, 1.5])
@pytest.mark.parametrize("has_sink", [True, False])
def test_every_statistic_agrees_with_float64(has_sink, softcap, is_causal, block):
    random = torch.Generator().manual_seed(5)
    query, key, value = (torch.randn(1, n, 40, 8, generator=random) * 2 for n in (4, 2, 2))
    near = torch.ones(40, 40).tril(12).triu(-12).bool()[None, None]  # a window
    sink = torch.tensor([-2.0, 0.0, 1.0, 5.0]).view(1, 4, 1, 1) if has_sink else None
    call = Call(query, key, value, near, is_causal, 0.35, softcap=softcap, sink=sink)
    p, seen = rows_of(call)
    parts = p / p.sum(-1, keepdims=True)
    expected = compare.expected_of(p[None], seen)
    expected |= {"entropy": reference.entropy(parts[None], seen)}
    found = {name: rows[0][None] for name, rows in compare.of_call(call, block=block).items()}
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=2e-5, atol=1e-6, err_msg=name)
    virtual = found["virtual_sink"][0]
    if has_sink:
        np.testing.assert_allclose(virtual, (1 - p.sum(-1)).mean(-1), rtol=2e-5, atol=1e-7)
        assert virtual[-1] > 0.1
    else:
        assert np.isnan(virtual).all()


@pytest.mark.parametrize("has_sink", [True, False])
def test_keys_that_are_sinks_are_found_beside_a_learned_one(has_sink):
    call = planted(60, {7: 4.0}, causal=True, noise=0.3)
    if has_sink:
        call = call._replace(sink=torch.tensor([3.0, 4.0]).view(1, 2, 1, 1), softcap=5.0)
    p, seen = rows_of(call)
    expected = reference.sinks(p[None], seen, RULE)
    found = compare.of_call(call, rule=RULE)
    assert expected["is_sink"][0].sum() == 1
    for name, values in expected.items():
        np.testing.assert_allclose(found[name][0], values[0], 1e-5, 1e-6, err_msg=name)


@pytest.mark.parametrize("name", CONFIGS)
def test_rows_and_output_are_those_of_the_library(name):
    loaded = made(name)
    own = loaded.network(input_ids=IDS, output_attentions=True)
    statistics, output = compare.observe(loaded.network, IDS)
    torch.testing.assert_close(output, own.last_hidden_state, rtol=1e-5, atol=1e-5)
    found = compare.of_document(statistics, 0, 0, 40)
    assert (found["row_sum"] < 0.99).any() == (name != "gemma2")
    for layer, attention in enumerate(own.attentions):
        rows = attention[0].double().numpy()
        if name == "granite_swa":  # the library returns its rows without their sink
            continue
        np.testing.assert_allclose(found["map"][layer], rows.mean(0), rtol=0, atol=1e-6)
        np.testing.assert_allclose(found["row_sum"][layer], rows.sum(-1).mean(-1), 0, atol=1e-6)


@pytest.mark.parametrize("name", CONFIGS)
def test_nothing_that_a_training_loop_computes_changes(name):
    loaded = made(name)
    network = loaded.network.train().requires_grad_(True)
    with_it, without = [], []
    for kept in (without, with_it):
        network.zero_grad()
        if kept is with_it:
            with sinkscope.observe(network) as seen:
                output = network(input_ids=IDS).last_hidden_state
            sums = seen.heads()["row_sum"].to_numpy()
        else:
            output = network(input_ids=IDS).last_hidden_state
        output.sum().backward()
        kept += [output.detach(), *(p.grad for p in network.parameters() if p.grad is not None)]
    assert all(torch.equal(*pair) for pair in zip(with_it, without, strict=True))
    assert (sums < 0.99).any() == (name != "gemma2")


def test_a_function_that_is_not_the_formula_is_refused(monkeypatch):
    """As an architecture of the future may have: here, keys are used with another exponent."""
    from transformers.models.granite_swa import modeling_granite_swa as library

    original = library.eager_attention_forward

    def colder(module, query, *args, **options):
        return original(module, query * 1.01, *args, **options)

    monkeypatch.setattr(library, "eager_attention_forward", colder)
    loaded = made("granite_swa")
    observation = Observation(
        compare.plan(torch.ones(1, 40).bool()), Workspace(torch.device("cpu"))
    )
    sentence = "GraniteSWAAttention computes rows other than the softmax.*choose a"
    with pytest.raises(ModelError, match=sentence):
        run_observed(loaded, observation, IDS)
    with pytest.raises(ModelError, match=sentence), sinkscope.observe(loaded.network):
        loaded.network(input_ids=IDS)
