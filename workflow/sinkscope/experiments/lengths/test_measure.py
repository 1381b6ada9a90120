"""Sink mass by length: baselines in closed form, beginnings against passes of their own, numbers
against full matrices."""

import dataclasses

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModel, MistralConfig, ModernBertConfig

import reference
import tiny
from sinkscope.experiments.lengths import measure as lengths
from sinkscope.experiments.lengths.measure import (
    KEY_SETS,
    beginning,
    lengths_of,
    of_beginning,
    read,
    uniform_mass,
)
from sinkscope.extract.encode import encode
from sinkscope.keys import key_sets
from tasks import documents, task

TEXT = "z the cat sat! it ran away. did he see it? yes, and then he sat down."
[DOCUMENT] = documents(TEXT)


def loaded_of(name, network=None):
    """A tiny model, or another network of its family, with a tokenizer that suits it."""
    encoder = name in tiny.ENCODERS
    tokenizer = tiny.letter_tokenizer() if encoder else tiny.byte_tokenizer()
    network = network or tiny.network(name, vocab_size=len(tokenizer))
    return dataclasses.replace(tiny.loaded(name, tokenizer), network=network)


def test_lengths_are_doubled_up_to_the_whole_document():
    assert lengths_of(9) == [9]
    assert lengths_of(16) == [16]
    assert lengths_of(17) == [16, 17]
    assert lengths_of(64) == [16, 32, 64]
    assert lengths_of(70) == [16, 32, 64, 70]


@given(st.integers(1, 100), st.sets(st.integers(0, 99)))
def test_the_baseline_of_a_causal_mask_is_the_number_of_keys_up_to_a_query_over_all(n, keys):
    keys = sorted(key for key in keys if key < n)
    expected = [sum(key <= i for key in keys) / (i + 1) for i in range(n)]
    found = uniform_mass(np.arange(1.0, n + 1), keys, is_causal=True)
    np.testing.assert_allclose(found, expected)


def test_the_baseline_of_key_0_is_the_mean_of_1_over_the_keys_seen():
    found = uniform_mass(np.arange(1.0, 6), [0], is_causal=True)
    np.testing.assert_allclose(found, [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5])


def test_without_a_mask_the_baseline_is_the_number_of_keys_over_all():
    np.testing.assert_allclose(uniform_mass(np.full(7, 7.0), [0, 3], is_causal=False), 2 / 7)


def test_a_window_hides_keys_from_the_baseline_too():
    causal = uniform_mass(np.array([1.0, 2, 3, 3, 3]), [0, 2], is_causal=True)
    np.testing.assert_allclose(causal, [1, 1 / 2, 2 / 3, 1 / 3, 1 / 3])
    both_sides = uniform_mass(np.array([2.0, 3, 3, 3, 2]), [0, 2], is_causal=False)
    np.testing.assert_allclose(both_sides, [1 / 2, 2 / 3, 1 / 3, 1 / 3, 0])


def test_keys_seen_in_no_known_order_have_no_baseline():
    assert np.isnan(uniform_mass(np.array([3.0, 1, 2]), [0], is_causal=False)).any()


def without_queries(network):
    """The network with queries of zeros: all logits are 0, and attention is uniform."""
    for name, parameter in network.named_parameters():
        if "q_proj" in name or "query" in name or "q_lin" in name:
            parameter.zero_()
        elif "c_attn" in name or "Wqkv" in name:  # GPT-2: [d, 3 d]; ModernBERT: [3 d, d]
            axis = -1 if "c_attn" in name else 0
            parameter.narrow(axis, 0, parameter.shape[axis] // 3).zero_()
    return network


def windowed(name):
    """A network whose layers see a window of eight tokens, or eight to both sides."""
    sizes = {
        "vocab_size": 300, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 0,
    }  # fmt: skip
    if name == "llama":
        config = MistralConfig(**sizes, num_key_value_heads=2, sliding_window=8)
    else:
        config = ModernBertConfig(
            **sizes, local_attention=16, global_attn_every_n_layers=2,
            cls_token_id=0, sep_token_id=2,
        )  # fmt: skip
    torch.manual_seed(3)
    made = AutoModel.from_config(config, attn_implementation="sdpa")
    return made.eval().requires_grad_(False)


@pytest.mark.parametrize(
    ("name", "has_window"),
    [("bert", False), ("distilbert", False), ("gpt2", False), ("opt", False), ("llama", False),
     ("llama", True), ("bert", True)],
)  # fmt: skip
def test_a_model_that_attends_uniformly_is_at_the_baseline_at_every_length(name, has_window):
    network = windowed(name) if has_window else loaded_of(name).network
    loaded = loaded_of(name, without_queries(network))
    table = lengths.measure(loaded, task("lengths", DOCUMENT))["sink_lengths"]
    assert table["n_tokens"].unique().sort().to_list()[:2] == [16, 32]
    np.testing.assert_allclose(table["times_uniform"], 1, rtol=1e-5)
    layers = table.filter(key_set="first_token", n_tokens=32).sort("layer")["uniform"]
    expected = np.mean(1 / np.arange(1, 33)) if name in tiny.DECODERS else 1 / 32
    is_plain = np.isclose(layers, expected)
    assert is_plain.all() != has_window


@pytest.mark.parametrize("name", tiny.DECODERS)
def test_a_beginning_of_a_decoder_is_the_first_queries_of_one_pass(name):
    loaded = loaded_of(name)
    whole = read(loaded, encode(loaded, DOCUMENT.name, DOCUMENT.text, truncate=True))
    for n_tokens in (16, 32, 64):
        own = beginning(loaded, DOCUMENT, n_tokens)
        assert len(own.ids) == n_tokens
        expected, found = of_beginning(read(loaded, own), n_tokens), of_beginning(whole, n_tokens)
        columns = ["n_tokens", "layer", "key_set", "n_keys"]
        assert found.select(columns).equals(expected.select(columns))
        for column in ("mass", "uniform", "times_uniform"):
            np.testing.assert_allclose(found[column], expected[column], rtol=1e-4, err_msg=column)


def test_what_is_cut_of_an_encoder_is_the_end_of_the_text():
    loaded = loaded_of("bert")
    own = beginning(loaded, DOCUMENT, 16)
    assert own.classes[0] == "cls"
    assert own.classes[-2:] == ["mask", "sep"]
    assert own.tokens[1:4] == ["z", "t", "##h"]
    table = lengths.measure(loaded, task("lengths", DOCUMENT))["sink_lengths"]
    sinks = table.filter(key_set="listed_sinks", layer=0).sort("n_tokens")
    # [CLS] and [SEP]; once it is read, also "!", the first terminator. Never the mask token.
    has_terminator = ["!" in beginning(loaded, DOCUMENT, n).tokens for n in sinks["n_tokens"]]
    assert has_terminator[-1]
    assert sinks["n_keys"].to_list() == [2 + has for has in has_terminator]


@pytest.mark.parametrize("name", tiny.NAMES)
def test_tiny_models_agree_with_full_matrices(name):
    loaded = loaded_of(name)
    table = lengths.measure(loaded, task("lengths", *documents(TEXT, "")))["sink_lengths"]
    assert set(table["document"]) == {"d0"}
    for n_tokens in table["n_tokens"].unique():
        own = beginning(loaded, DOCUMENT, n_tokens)
        with torch.inference_mode(), reference.capture() as captured:
            loaded.network(torch.tensor([own.ids]))
        p, visible = captured.document(0)
        even = visible / visible.sum(-1, keepdims=True)
        for key_set in KEY_SETS:
            keys = key_sets(own.classes)[key_set]
            rows = table.filter(n_tokens=n_tokens, key_set=key_set).sort("layer")
            mass, uniform = reference.mass(p, keys), even[:, keys].sum(-1).mean()
            assert set(rows["n_keys"]) == {len(keys)}
            np.testing.assert_allclose(rows["mass"], mass, rtol=1e-4)
            np.testing.assert_allclose(rows["uniform"], uniform, rtol=1e-9)
            np.testing.assert_allclose(rows["times_uniform"], mass / uniform, rtol=1e-4)


def test_no_document_that_can_be_read_gives_no_frames():
    loaded = tiny.loaded("gpt2", tiny.byte_tokenizer())
    assert lengths.measure(loaded, task("lengths", *documents(""))) == {}


def test_a_document_longer_than_the_model_takes_is_read_as_far_as_it_goes():
    loaded = dataclasses.replace(loaded_of("gpt2"), max_length=40)
    table = lengths.measure(loaded, task("lengths", DOCUMENT))["sink_lengths"]
    assert table.select(pl.col("n_tokens").unique().sort())["n_tokens"].to_list() == [16, 32, 40]
