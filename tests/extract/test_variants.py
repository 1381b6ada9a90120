"""Attention that is no softmax: its rows, the models that have it, and what is seen of them."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import GPT2Config, GPT2LMHeadModel

import compare
import reference
import tiny
from sinkscope.documents import Document
from sinkscope.extract.masks import Call
from sinkscope.extract.model import load_model
from sinkscope.extract.rows import ALTERNATIVES
from sinkscope.extract.variants import VARIANTS, VariantGPT2Config, VariantGPT2LMHeadModel

KINDS = sorted(ALTERNATIVES)


def expected_rows(kind, logits, seen):
    """Float64, by the formula: logits [..., query, key], seen [query, key]."""
    n_keys = seen.sum(-1, keepdims=True)
    if kind == "sigmoid":
        return np.where(seen, 1 / (1 + np.exp(np.log(n_keys) - logits)), 0.0)
    weight = np.where(seen, np.exp(logits), 0.0)
    return weight / (1 + weight.sum(-1, keepdims=True))


def call(kind, n_tokens=11, *, is_causal=True, size=1.5):
    random = torch.Generator().manual_seed(3)
    query, key, value = (torch.randn(1, 4, n_tokens, 8, generator=random) * size for _ in range(3))
    return Call(query, key, value, None, is_causal, 0.4, kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_causal", [True, False])
@pytest.mark.parametrize("block", [None, 16])
def test_every_statistic_agrees_with_float64(kind, is_causal, block):
    made = call(kind, 40, is_causal=is_causal)
    logits = made.query.double() @ made.key.double().transpose(-1, -2) * made.scale
    seen = np.ones((40, 40), dtype=bool)
    seen = np.tril(seen) if is_causal else seen
    p = expected_rows(kind, logits.numpy(), seen)
    found = compare.of_call(made, block=block)
    rows = p / p.sum(-1, keepdims=True)
    expected = compare.expected_of(p, seen) | {"entropy": reference.entropy(rows, seen)}
    for name, values in expected.items():
        np.testing.assert_allclose(found[name][0], values[0], rtol=2e-5, atol=1e-6, err_msg=name)
    virtual = 1 - p.sum(-1).mean(-1) if kind == "softmax_off_by_one" else np.full((1, 4), np.nan)
    np.testing.assert_allclose(found["virtual_sink"], virtual, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_head_without_preference_gives_every_key_the_same_and_keeps_one_part_back(kind):
    made = call(kind, 7, size=0.0)
    found = compare.of_call(made)
    part = np.array([n / (n + 1) for n in range(1, 8)])
    np.testing.assert_allclose(found["row_sum"][0], np.full(4, part.mean()), rtol=1e-6)
    np.testing.assert_allclose(found["max_value"][0], part / np.arange(1, 8), rtol=1e-6)
    np.testing.assert_allclose(found["entropy"][0], np.ones(4), rtol=1e-5)


@given(st.integers(0, 2**31), st.floats(0.1, 30), st.sampled_from(KINDS))
def test_rows_are_never_negative_and_off_by_one_never_sums_to_more_than_1(seed, size, kind):
    random = torch.Generator().manual_seed(seed)
    logits = torch.randn(1, 2, 5, 9, generator=random) * size
    rows = ALTERNATIVES[kind](logits, torch.full((1, 5), 9))
    assert rows.isfinite().all()
    assert (rows >= 0).all()
    assert (rows <= 1).all()
    if kind == "softmax_off_by_one":
        assert (rows.sum(-1) <= 1 + 1e-5).all()


SIZES = {
    "vocab_size": 258, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 96,
    "initializer_range": 0.3, "bos_token_id": 0, "eos_token_id": 0,
}  # fmt: skip


def variant(kind):
    torch.manual_seed(0)
    network = VariantGPT2LMHeadModel(VariantGPT2Config(attention=kind, **SIZES)).eval()
    for name, parameter in network.named_parameters():
        if name.endswith("sinks"):  # 0 before training
            torch.nn.init.normal_(parameter)
    return network


def plain():
    """GPT-2 of the same seed."""
    torch.manual_seed(0)
    return GPT2LMHeadModel(GPT2Config(**SIZES)).eval()


@pytest.fixture(params=VARIANTS)
def saved(request, tmp_path):
    """(kind, folder of a saved checkpoint, the model that was saved)"""
    network = variant(request.param)
    network.save_pretrained(tmp_path / "variant")
    tiny.byte_tokenizer().save_pretrained(tmp_path / "variant")
    return request.param, tmp_path, network


def test_a_saved_variant_is_loaded_and_observed_as_what_it_is(saved):
    kind, folder, network = saved
    loaded = load_model(tiny.row(source="path:variant"), folder)
    assert loaded.facts()["attention"] == kind
    assert loaded.family == "decoder"
    ids = torch.tensor(tiny.token_ids(30))
    with torch.inference_mode():
        expected = network.transformer(ids).last_hidden_state
    found, output = compare.observe(loaded.network, ids)
    torch.testing.assert_close(output, expected, rtol=1e-4, atol=1e-5)
    assert (np.abs(found["row_sum"] - 1) > 0.01).any() == (kind != "gated_softmax")


def last_state(network, ids):
    with torch.inference_mode():
        return network.transformer(ids).last_hidden_state


@pytest.mark.parametrize("kind", VARIANTS)
def test_equal_seeds_draw_equal_weights_for_all_variants(kind):
    weights = variant(kind).state_dict()
    for name, value in plain().state_dict().items():
        assert torch.equal(weights[name], value), name


def test_a_sink_that_asks_for_nothing_leaves_plain_softmax_and_at_0_it_is_off_by_one():
    ids = torch.tensor(tiny.token_ids(30))
    network = variant("learned_sink")
    for logit, same in ((-60.0, plain()), (0.0, variant("softmax_off_by_one"))):
        for block in network.transformer.h:
            torch.nn.init.constant_(block.attn.sinks, logit)
        torch.testing.assert_close(
            last_state(network, ids), last_state(same, ids), rtol=1e-4, atol=1e-5
        )


def test_each_head_has_its_own_sink_and_the_rest_of_a_row_is_its_part():
    """The first query sees itself alone: exp(l) / (exp(l) + exp(s)) by float64."""
    network = variant("learned_sink")
    ids = torch.tensor(tiny.token_ids(30))
    found, _ = compare.observe(network.transformer, ids, window=1)
    attention = network.transformer.h[0].attn
    with torch.inference_mode():
        state = network.transformer.wte(ids[:, :1]) + network.transformer.wpe(torch.tensor([[0]]))
        query, key, _ = attention.c_attn(network.transformer.h[0].ln_1(state)).split(32, dim=2)
    logits = (query * key).view(4, 8).double().sum(-1) * 8**-0.5
    expected = logits.exp() / (logits.exp() + attention.sinks.double().exp())
    np.testing.assert_allclose(
        found["window_score"][0, 0, :, 0], expected.detach().numpy(), rtol=1e-5
    )


def test_a_gate_scales_the_output_of_its_head_and_leaves_the_rows_alone():
    """Gates of 1/2 in all heads are plain softmax with half of the output projection."""
    ids = torch.tensor(tiny.token_ids(30))
    gated, half = variant("gated_softmax"), plain()
    for block, other in zip(gated.transformer.h, half.transformer.h, strict=True):
        torch.nn.init.zeros_(block.attn.gate.weight)
        with torch.no_grad():
            other.attn.c_proj.weight.mul_(0.5)
    torch.testing.assert_close(last_state(gated, ids), last_state(half, ids), rtol=1e-4, atol=1e-5)
    found, _ = compare.observe(gated.transformer, ids)
    expected, _ = compare.observe(half.transformer, ids)
    np.testing.assert_allclose(found["sink_score"], expected["sink_score"], rtol=1e-4, atol=1e-6)


def test_a_cell_of_a_variant_says_what_its_rows_sum_to(saved):
    _, folder, _ = saved
    loaded = load_model(tiny.row(source="path:variant"), folder)
    text = "Z He came. He saw."
    cell = tiny.analyser(loaded).analyse(Document("one", "one.txt", None, text))
    everything = cell["sink_score"] * np.arange(cell.n_tokens, 0, -1) / cell.n_tokens
    np.testing.assert_allclose(everything.sum(-1), cell["row_sum"], rtol=1e-4)


def test_what_follows_changes_no_earlier_row(saved):
    _, _, network = saved
    ids = torch.tensor(tiny.token_ids(30))
    with torch.inference_mode():
        whole = network.transformer(ids).last_hidden_state[:, :12]
        part = network.transformer(ids[:, :12]).last_hidden_state
    torch.testing.assert_close(whole, part, rtol=1e-4, atol=1e-5)


def test_padding_changes_no_row_of_the_text(saved):
    _, _, network = saved
    documents = tiny.token_ids(9, 20)
    ids, real = tiny.padded(documents, "right")
    with torch.inference_mode():
        padded = network.transformer(ids, attention_mask=real).last_hidden_state[0, :9]
        alone = network.transformer(ids[:1, :9]).last_hidden_state[0]
    torch.testing.assert_close(padded, alone, rtol=1e-4, atol=1e-5)


WITHOUT = """
import sys
from transformers import AutoModel
for folder in sys.argv[1:]:
    try:
        AutoModel.from_pretrained(folder)
        print("loaded")
    except ValueError as error:
        print(str(error).partition(chr(10))[0])
"""


def test_without_this_package_a_variant_is_refused_instead_of_run_with_softmax(tmp_path):
    for kind in VARIANTS:
        variant(kind).save_pretrained(tmp_path / kind)
    command = [sys.executable, "-c", WITHOUT, *(str(tmp_path / kind) for kind in VARIANTS)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    said = done.stdout.splitlines()
    assert len(said) == len(VARIANTS)
    assert all("model type `sinkscope_gpt2`" in line for line in said)
