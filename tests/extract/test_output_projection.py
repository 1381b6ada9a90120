"""The output projection of each head, found by what enters it."""

import pytest
import torch

import tiny
from sinkscope.errors import ModelError
from sinkscope.extract.output_projection import output_projections

NAMES = {
    "distilbert": "transformer.layer.{}.attention.out_lin",
    "bert": "encoder.layer.{}.attention.output.dense",
    "roberta": "encoder.layer.{}.attention.output.dense",
    "opt": "decoder.layers.{}.self_attn.out_proj",
    "gpt2": "h.{}.attn.c_proj",
    "falcon-alibi": "h.{}.self_attention.dense",
    "falcon-rotary": "h.{}.self_attention.dense",
    "llama": "layers.{}.self_attn.o_proj",
}


@pytest.mark.parametrize("name", tiny.NAMES)
def test_the_projection_of_every_family_is_found(name):
    loaded = tiny.loaded(name)
    found = output_projections(loaded, torch.tensor(tiny.token_ids(6)))
    assert len(found) == loaded.n_layers
    assert all(one.gate is None for one in found)
    for layer, projection in enumerate(found):
        module = loaded.network.get_submodule(NAMES[name].format(layer))
        d = loaded.config.hidden_size // loaded.n_heads
        heads = torch.randn(loaded.n_heads, d)
        written = torch.einsum("hd,hde->e", heads.double(), projection.weight)
        expected = module(heads.reshape(1, -1))[0]
        if module.bias is not None:
            expected = expected - module.bias
        torch.testing.assert_close(written.float(), expected, rtol=1e-4, atol=1e-5)


def test_outputs_that_something_changes_on_their_way_are_an_error():
    loaded = tiny.loaded("llama")
    projection = loaded.network.layers[1].self_attn.o_proj
    gate = projection.register_forward_pre_hook(lambda _, args: (args[0] * 2 + 1,), prepend=True)
    with pytest.raises(ModelError, match=r"model 'llama': the outputs of the heads of LlamaModel"):
        output_projections(loaded, torch.tensor(tiny.token_ids(6)))
    gate.remove()
    assert len(output_projections(loaded, torch.tensor(tiny.token_ids(6)))) == 3


def test_a_gate_is_told_from_the_projection():
    loaded, ids = tiny.loaded("llama"), torch.tensor(tiny.token_ids(6))
    plain = output_projections(loaded, ids)
    n_heads, d = loaded.n_heads, loaded.config.hidden_size // loaded.n_heads
    factors = torch.rand(6, n_heads, d)
    factors[2, 1] = 0  # a closed gate
    projection = loaded.network.layers[0].self_attn.o_proj
    gate = projection.register_forward_pre_hook(
        lambda _, args: (args[0] * factors.flatten(1),), prepend=True
    )
    first, *others = output_projections(loaded, ids)
    gate.remove()
    assert torch.equal(first.weight, plain[0].weight)
    torch.testing.assert_close(first.gate.float(), factors.transpose(0, 1))
    assert all(one.gate is None for one in others)
