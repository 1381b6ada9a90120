"""Replacing torch's attention for the length of a forward pass, and only for that."""

import contextlib
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from transformers import AutoModel, XLNetConfig

import tiny
from compare import observe
from sinkscope.errors import SinkscopeError
from sinkscope.extract.door import answered
from sinkscope.extract.observe import run_observed

IDS = torch.tensor(tiny.token_ids(12))


def echo(call):
    return call.value.repeat_interleave(call.query.shape[1] // call.value.shape[1], 1)


@pytest.mark.parametrize("name", tiny.NAMES)
def test_every_layer_is_seen_once_and_in_order(name):
    shapes = []

    def attend(call):
        shapes.append(tuple(call.query.shape))
        return echo(call)

    loaded = tiny.loaded(name)
    run_observed(loaded, attend, IDS)
    config = loaded.network.config
    d = config.hidden_size // config.num_attention_heads
    assert shapes == [(1, config.num_attention_heads, 12, d)] * loaded.n_layers


def test_torch_has_its_own_attention_back_after_a_pass():
    original = F.scaled_dot_product_attention
    observe(tiny.network("llama"), IDS)
    assert F.scaled_dot_product_attention is original


def test_torch_has_its_own_attention_back_after_a_failure():
    original = F.scaled_dot_product_attention

    def fail(call):
        raise ZeroDivisionError

    with pytest.raises(SinkscopeError, match="failed \\(ZeroDivisionError"):
        run_observed(tiny.loaded("bert"), fail, IDS)
    assert F.scaled_dot_product_attention is original
    with contextlib.suppress(KeyboardInterrupt), answered(fail):
        raise KeyboardInterrupt
    assert F.scaled_dot_product_attention is original


@pytest.mark.parametrize("name", ["bert", "llama", "gpt2"])
def test_eager_attention_is_seen_at_the_door_of_the_library(name):
    rows = [
        run_observed(tiny.loaded(name, attention=kind), echo, IDS) for kind in ("eager", "sdpa")
    ]
    torch.testing.assert_close(rows[0].last_hidden_state, rows[1].last_hidden_state)


def test_a_model_that_goes_another_way_is_refused():
    config = XLNetConfig(vocab_size=100, d_model=32, n_layer=2, n_head=4, d_inner=32)
    network = AutoModel.from_config(config).eval()
    loaded = replace(tiny.loaded("bert"), network=network)
    with pytest.raises(SinkscopeError, match=r"model 'bert'.*cannot.* 0 times.*choose a model"):
        run_observed(loaded, echo, IDS)


@pytest.mark.parametrize("kind", [AttributeError, TypeError, KeyError])
def test_a_fault_of_the_librarys_own_code_is_a_sentence(kind):
    """As of Llama-4 in transformers 5.24, whose output lacks a field that it reads."""
    loaded = tiny.loaded("bert")

    def broken(*_, **__):
        raise kind("no 'image_outputs'")

    loaded.network.forward = broken
    sentence = rf"model 'bert': the forward pass over 33 tokens failed \({kind.__name__}: .*; use "
    with pytest.raises(SinkscopeError, match=sentence + "another version of transformers than 5"):
        run_observed(loaded, echo, torch.tensor(tiny.token_ids(33)))


def test_a_model_that_drops_attention_is_refused():
    loaded = tiny.loaded("roberta")
    loaded.network.train()
    with pytest.raises(SinkscopeError, match=r"model 'roberta'.*applies dropout.*choose a model"):
        run_observed(loaded, echo, IDS)


def test_attention_to_a_cache_is_refused():
    network = tiny.network("gpt2")
    cache = network(input_ids=IDS, use_cache=True).past_key_values

    class WithCache:
        config, parameters = network.config, network.parameters

        def __call__(self, **options):
            return network(**options, past_key_values=cache)

    loaded = tiny.loaded("gpt2")
    object.__setattr__(loaded, "network", WithCache())
    with pytest.raises(SinkscopeError, match=r"model 'gpt2'.*cache"):
        run_observed(loaded, echo, IDS)
