"""Hybrid models: layers without attention leave gaps in the numbers of layers, everywhere."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import torch
from transformers import AutoModel, Lfm2Config

import sinkscope
import tiny
from sinkscope.atlas.derive import tables_of_model
from sinkscope.atlas.limits import LIMITS
from sinkscope.atlas.maps import entry_of, named_maps
from sinkscope.documents import Document
from sinkscope.errors import ModelError, SinkscopeError
from sinkscope.experiments.norms.measure import measure as measure_norms
from sinkscope.extract.layers import fault_of, layer_numbers, layer_of
from sinkscope.extract.observe import attention_layers
from sinkscope.measure.passes import Task
from sinkscope.tables.arrays import with_numbers

TEXT = "Z He came. She left. They all went home, and nobody came back."
TYPES = ["conv", "full_attention", "conv", "conv", "full_attention"]


@pytest.fixture(scope="module")
def hybrid():
    torch.manual_seed(0)
    config = Lfm2Config(
        vocab_size=258, hidden_size=32, intermediate_size=48, num_hidden_layers=5,
        num_attention_heads=4, num_key_value_heads=2, layer_types=TYPES, initializer_range=0.3,
        max_position_embeddings=96, pad_token_id=1, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    network = AutoModel.from_config(config, attn_implementation="sdpa").eval().requires_grad_(False)
    return replace(tiny.loaded("llama", tiny.byte_tokenizer()), network=network)


@pytest.fixture(scope="module")
def cell(hybrid):
    document = Document("d", "d.txt", None, TEXT)
    return tiny.analyser(hybrid, head_maps=("llama/4/2",)).analyse(document)


def own_attention(hybrid, cell):
    """{layer: [head, query, key]} as the library returns it, in eager mode."""
    torch.manual_seed(0)
    eager = AutoModel.from_config(hybrid.network.config, attn_implementation="eager")
    eager.load_state_dict(hybrid.network.state_dict())
    ids = torch.tensor([hybrid.tokenizer(TEXT).input_ids])
    attentions = eager.eval()(input_ids=ids, output_attentions=True).attentions
    rows = [one for one in attentions if one is not None]
    assert len(rows) == 2
    return dict(zip((1, 4), (one[0].detach().numpy() for one in rows), strict=True))


def test_a_cell_names_its_layers(hybrid, cell):
    assert attention_layers(hybrid) == cell.layers == [1, 4]
    own = own_attention(hybrid, cell)
    for place, layer in enumerate(cell.layers):
        np.testing.assert_allclose(cell["map"][place], own[layer].mean(0), atol=1e-3)
    np.testing.assert_allclose(cell["head_map"][0], own[4][2], atol=1e-3)
    assert np.isfinite(cell["state_norm"]).all()


def test_states_are_those_that_enter_the_layer(hybrid, cell):
    ids = torch.tensor([hybrid.tokenizer(TEXT).input_ids])
    states = hybrid.network(input_ids=ids, output_hidden_states=True).hidden_states
    for place, layer in enumerate(cell.layers):
        norms = states[layer][0].norm(dim=-1)
        np.testing.assert_allclose(cell["state_norm"][place], norms, rtol=1e-5)


def test_tables_and_maps_have_the_numbers_of_the_model(hybrid, cell):
    entry = {"document": "d", "path": "d.txt", "row": None, "n_characters": 1, "n_words": 1,
             "sha256": "0", "cell": "", "cell_sha256": "", "cell_bytes": 1}  # fmt: skip
    tables = tables_of_model(hybrid.facts(), [cell], [entry], LIMITS)
    made = {name: frame.collect() for name, frame in tables.items()}
    for name in ("sink_mass", "sink_mass_means", "heads", "sink_rate", "sink_rate_documents"):
        assert made[name]["layer"].unique().sort().to_list() == [1, 4], name
    assert made["last_layer_keys"]["layer"].unique().to_list() == [4]
    row = made["models"].row(0, named=True)
    assert (row["n_layers"], row["without_attention"]) == (5, "0, 2 to 3")
    own = own_attention(hybrid, cell)
    first = made["sink_mass"].filter(key_set="first_token").sort("layer")["mass"]
    np.testing.assert_allclose(first, [own[i][..., 0].mean() for i in (1, 4)], rtol=1e-5)
    lives = made["sink_lives"]
    assert set(lives["first_layer"]) | set(lives["peak_layer"]) <= {1, 4}
    assert entry_of(cell, every_head=True)["layers"] == [1, 4]
    assert [name for name, _ in named_maps(cell)] == ["1", "4", "4-2"]


def test_experiments_have_the_numbers_of_the_model(hybrid):
    settings = {"experiment_tokens": 50, "documents_in_report": 1}
    document = Document("d", "d.txt", None, TEXT)
    frames = measure_norms(hybrid, Task((document,), settings))
    numbered = with_numbers(frames["norms"].lazy(), attention_layers(hybrid)).collect()
    assert numbered["layer"].unique().sort().to_list() == [1, 4]


def test_a_map_of_a_layer_without_attention_is_refused(hybrid):
    document = Document("d", "d.txt", None, TEXT)
    with pytest.raises(ModelError, match=r"layer 2 has no attention.*head 2/0.*are 1, 4\."):
        tiny.analyser(hybrid, head_maps=("llama/2/0",)).analyse(document)


def test_in_python(hybrid):
    with sinkscope.observe(hybrid.network, hybrid.tokenizer, heads=[(4, 1)]) as seen:
        hybrid.network(input_ids=torch.tensor([hybrid.tokenizer(TEXT).input_ids]))
    assert seen.heads()["layer"].unique().sort().to_list() == [1, 4]
    assert seen.map(4, 1).shape == seen.map(1).shape
    with pytest.raises(SinkscopeError, match=r"layer 0 has no attention; .* are 1, 4"):
        seen.map(0)


def test_numbers_of_layers_in_frames():
    frame = pl.LazyFrame({"layer": [0, 1], "peak_layer": [1, None], "n_layers": [2, 2]})
    rows = with_numbers(frame, [3, 7]).collect()
    assert rows.to_dict(as_series=False) == {
        "layer": [3, 7], "peak_layer": [7, None], "n_layers": [2, 2],
    }  # fmt: skip


class Attention(torch.nn.Module):
    pass


class DeltaAttention(torch.nn.Module):
    pass


def network_of(*classes):
    layers = torch.nn.ModuleList(torch.nn.ModuleDict({"mixer": one()}) for one in classes)
    return torch.nn.ModuleDict({"layers": layers})


@pytest.mark.parametrize(
    ("calls", "fault"),
    [
        ([1, 2], None),
        ([0, 1, 2], None),
        ([1], "layer 2 does not call the attention, but has a Attention"),
        ([1, 1, 2], "twice in layer 1"),
        ([2, 1], "out of order in layer 1"),
        ([1, None, 2], "outside of its layers"),
        ([None, None, None], None),
        ([None, None], "calls the attention 2 times"),
        ([], "calls the attention 0 times"),
    ],
)
def test_each_layer_with_attention_calls_it_once(calls, fault):
    network = network_of(DeltaAttention, Attention, Attention)
    config = SimpleNamespace(num_hidden_layers=3, num_attention_heads=4)
    found = fault_of(calls, [4] * len(calls), network, config)
    assert found is None if fault is None else fault in found


def test_lists_inside_of_layers_are_no_lists_of_layers():
    """T5 keeps the two parts of each block in a list, and may have two blocks."""
    blocks = [torch.nn.ModuleList([Attention(), Attention()]) for _ in range(2)]
    network = torch.nn.ModuleDict({"block": torch.nn.ModuleList(blocks)})
    numbers = layer_numbers(network, 2)
    assert [layer_of([block[0], block], numbers) for block in blocks] == [0, 1]


def test_layers_with_other_numbers_of_heads_are_refused():
    """Tables and arrays have the same heads in every layer."""
    network = network_of(Attention, Attention)
    config = SimpleNamespace(num_hidden_layers=2, num_attention_heads=4)
    assert fault_of([0, 1], [4, 4], network, config) is None
    found = fault_of([0, 1], [4, 8], network, config)
    assert found == "it attends with 8 heads, but its configuration says 4"


def test_a_layer_at_two_places_has_no_number():
    """Its calls can only be told by their order."""
    layer = Attention()
    assert layer_numbers(torch.nn.ModuleDict({"h": torch.nn.ModuleList([layer, layer])}), 2) == {}
    numbers = layer_numbers(network_of(Attention, Attention), 2)
    assert sorted(numbers.values()) == [0, 1]
    assert layer_of([layer], numbers) is None
