"""Gates on the output of attention, held against what the model computes them from."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import AutoModel

import sinkscope
import tiny
from compatibility.configs import tiny_config
from compatibility.decide import built
from sinkscope.documents import Document
from sinkscope.extract.architecture import as_observed
from sinkscope.extract.gates import gated_projections, gates_of
from sinkscope.extract.variants import VariantGPT2Config

TEXT = "Z He came. She left. They all went home."


def analysed(network, *texts):
    loaded = replace(tiny.loaded("llama", tiny.byte_tokenizer()), network=network)
    documents = [Document(f"d{i}", "d.txt", None, text) for i, text in enumerate(texts)]
    return loaded, [tiny.analyser(loaded).analyse(document) for document in documents]


@pytest.fixture(scope="module")
def gated():
    torch.manual_seed(0)
    config = VariantGPT2Config(
        attention="gated_softmax", vocab_size=258, n_embd=32, n_layer=2, n_head=4, n_positions=96,
        initializer_range=0.5, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    return AutoModel.from_config(config).eval().requires_grad_(False)


def gates_of_variant(network, ids):
    """[layer, head], by the weights of the gates."""
    entering = []
    hooks = [
        block.attn.gate.register_forward_pre_hook(lambda _, args: entering.append(args[0][0]))
        for block in network.h
    ]
    network(input_ids=ids)
    for hook in hooks:
        hook.remove()
    pairs = zip(network.h, entering, strict=True)
    return np.stack(
        [(x.double() @ block.attn.gate.weight.double().T).sigmoid().mean(0).numpy()
         for block, x in pairs]
    )  # fmt: skip


def test_a_gate_per_head(gated):
    loaded, (cell,) = analysed(gated, TEXT)
    expected = gates_of_variant(gated, torch.tensor([loaded.tokenizer(TEXT).input_ids]))
    assert np.ptp(expected) > 0.05
    np.testing.assert_allclose(cell["gate"], expected, rtol=1e-4)
    assert np.isnan(cell["virtual_sink"]).all()


def test_a_gate_per_dimension():
    """Qwen3-Next: the mean over dimensions is weighted by the squares of the head's output."""
    config = tiny_config("qwen3_next")
    config.vocab_size = 258
    as_observed(config)
    network = built("qwen3_next", config)
    loaded, (cell,) = analysed(network, TEXT)
    (layer,) = cell.layers
    attention = network.layers[layer].self_attn
    inputs, outputs = [], []
    hooks = [
        attention.q_proj.register_forward_hook(lambda _, args, out: inputs.append(out[0])),
        attention.o_proj.register_forward_pre_hook(lambda _, args: outputs.append(args[0][0])),
    ]
    network(input_ids=torch.tensor([loaded.tokenizer(TEXT).input_ids]))
    for hook in hooks:
        hook.remove()
    n_tokens = cell.n_tokens
    gate = inputs[0].view(n_tokens, 4, 2, -1)[:, :, 1].double().sigmoid()
    output = outputs[0].view(n_tokens, 4, -1).double() / gate
    expected = ((gate * output**2).sum(-1) / (output**2).sum(-1)).mean(0)
    np.testing.assert_allclose(cell["gate"][0], expected, rtol=1e-4)


def test_padding_is_not_counted_and_nothing_else_changes(gated):
    short = TEXT[:20]
    tokenizer = tiny.byte_tokenizer()
    batch = tokenizer([TEXT, short], return_tensors="pt", padding=True)
    plain = gated(**batch).last_hidden_state
    with sinkscope.observe(gated, tokenizer) as seen:
        output = gated(**batch).last_hidden_state
    assert torch.equal(output, plain)
    _, cells = analysed(gated, TEXT, short)
    for found, alone in zip(seen.cells, cells, strict=True):
        np.testing.assert_allclose(found["gate"], alone["gate"], rtol=1e-4)


@pytest.mark.parametrize("name", tiny.NAMES)
def test_models_without_a_gate_have_none(name):
    real = torch.ones(1, 3, dtype=torch.bool)
    network = tiny.network(name)
    projections = gated_projections(network, network.config.num_hidden_layers)
    with gates_of(projections, real) as gates:
        assert gates is None
