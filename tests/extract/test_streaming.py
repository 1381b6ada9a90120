"""The streamed statistics of whole models against float64 references of full matrices."""

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

import reference
import tiny
from compare import (
    SETS,
    SINKS,
    assert_equal,
    assert_max_keys,
    expected_of,
    observe,
    of_call,
    of_document,
    plan,
)
from sinkscope.extract import finish
from sinkscope.extract.architecture import as_observed
from sinkscope.extract.door import answered
from sinkscope.extract.masks import Call
from sinkscope.extract.observation import Observation
from sinkscope.extract.streaming import Workspace
from sinkscope.sink_rule import SinkRule


def alone(network, document):
    """Attention and expected statistics of one document by itself: (attention, statistics)."""
    with torch.inference_mode(), reference.capture() as captured:
        network(input_ids=torch.tensor([document]))
    attention, visible = captured.document(0)
    return attention, expected_of(attention, visible)


def attentions(outputs):
    """[layer, head, query, key] of a tuple of layers [1, head, query, key]."""
    return np.stack([layer[0].double().numpy() for layer in outputs])


def lower(n_tokens):
    return np.tril(np.ones((n_tokens, n_tokens), dtype=bool))


@pytest.mark.parametrize("n_tokens", [7, 50, 96])
@pytest.mark.parametrize("name", tiny.NAMES)
def test_statistics_of_a_document_equal_those_of_its_full_matrices(name, n_tokens):
    network, [document] = tiny.network(name), tiny.token_ids(n_tokens)
    attention, expected = alone(network, document)
    statistics, _ = observe(network, torch.tensor([document]))
    found = of_document(statistics, 0, 0, n_tokens)
    assert_equal(found, expected)
    assert_max_keys(found, attention)


@pytest.mark.parametrize("name", tiny.NAMES)
def test_tiny_models_attend_far_from_evenly(name):
    """Or the comparisons here would show little."""
    attention, expected = alone(tiny.network(name), tiny.token_ids(50)[0])
    even = (attention.sum(2) / (attention > 0).sum(2)).mean()
    assert attention.max() > 10 * even
    assert expected["entropy"].min() < 0.7


@pytest.mark.parametrize(
    ("name", "side"),
    [(name, "right") for name in tiny.NAMES] + [(name, "left") for name in tiny.DECODERS],
)
def test_padding_changes_no_statistics(name, side):
    network, documents = tiny.network(name), tiny.token_ids(31, 12, 50, 8)
    ids, real = tiny.padded(documents, side)
    options = {}
    if name == "gpt2":  # it numbers the padding too unless told otherwise
        options["position_ids"] = (real.cumsum(1) - 1).clamp(min=0)
    statistics, _ = observe(network, ids, real, options)
    for i, document in enumerate(documents):
        attention, expected = alone(network, document)
        start = real.shape[1] - len(document) if side == "left" else 0
        found = of_document(statistics, i, start, start + len(document))
        assert_equal(found, expected)
        assert_max_keys(found, attention)


@pytest.mark.parametrize("name", tiny.NAMES)
def test_documents_of_equal_length_in_a_batch_are_each_as_alone(name):
    network, documents = tiny.network(name), tiny.token_ids(20, 20, 20)
    statistics, _ = observe(network, torch.tensor(documents))
    for i, document in enumerate(documents):
        attention, expected = alone(network, document)
        found = of_document(statistics, i, 0, 20)
        assert_equal(found, expected)
        assert_max_keys(found, attention)


@pytest.mark.parametrize("name", [name for name in tiny.NAMES if name != "falcon-alibi"])
def test_statistics_equal_those_of_output_attentions(name):
    ids = torch.tensor(tiny.token_ids(40))
    eager = tiny.network(name, "eager")
    with torch.inference_mode():
        attention = attentions(eager(input_ids=ids, output_attentions=True).attentions)
    visible = np.ones((40, 40), dtype=bool) if name in tiny.ENCODERS else lower(40)
    found = of_document(observe(tiny.network(name), ids)[0], 0, 0, 40)
    # Tiny entries of float32 matrices carry more relative error than the statistics do.
    assert_equal(found, expected_of(attention, visible), 1e-5, 1e-6)
    assert_max_keys(found, attention)


@pytest.mark.parametrize("side", [None, "left", "right"])
@pytest.mark.parametrize("kind", ["t5", "umt5", "switch_transformers"])
def test_position_biases_of_encoders_are_part_of_the_rows(kind, side):
    """T5 adds a bias to the logits in a mask, which may also hide padding, or nothing."""
    config = AutoConfig.for_model(
        kind, vocab_size=tiny.VOCABULARY, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4,
        num_sparse_encoder_layers=0, num_sparse_decoder_layers=0,
    )  # fmt: skip
    as_observed(config)
    torch.manual_seed(0)
    network = AutoModelForSeq2SeqLM.from_config(config).get_encoder().eval().requires_grad_(False)
    for name, weights in network.named_parameters():
        if "relative_attention_bias" in name:
            weights.normal_(0, 2)
    documents = tiny.token_ids(40, 25) if side else tiny.token_ids(40)
    ids, real = tiny.padded(documents, side or "right")
    mask = real if side else None
    statistics, _ = observe(network, ids, mask)
    network.set_attn_implementation("eager")
    own = network(input_ids=ids, attention_mask=mask, output_attentions=True).attentions
    for i, document in enumerate(documents):
        start = 40 - len(document) if side == "left" else 0
        tokens = slice(start, start + len(document))
        attention = np.stack([rows[i][:, tokens, tokens].double().numpy() for rows in own])
        visible = np.ones(attention.shape[2:], dtype=bool)
        found = of_document(statistics, i, tokens.start, tokens.stop)
        assert_equal(found, expected_of(attention, visible), 1e-5, 1e-6)
        assert_max_keys(found, attention)


def test_falcon_with_alibi_is_right_where_output_attentions_is_wrong():
    """transformers 4.45 to 5.23 add ALiBi twice on Falcon's eager path, once in the mask.

    Head h of n = 2^k has the slope 2^(-8 (h + 1) / n), and Falcon scales the bias like the
    products: softmax((q . k - slope * distance) / sqrt(d)) over the keys up to the query.
    """
    n_tokens, ids = 60, torch.tensor(tiny.token_ids(60))
    network = tiny.network("falcon-alibi")
    with torch.inference_mode(), reference.capture() as captured:
        network(input_ids=ids)
    distance = np.arange(n_tokens)[:, None] - np.arange(n_tokens)
    formula = []
    for query, key in zip(captured.query, captured.key, strict=True):
        n_heads, d = query.shape[1], query.shape[-1]
        slopes = 2.0 ** (-8 * np.arange(1, n_heads + 1) / n_heads)
        logits = query[0] @ key[0].swapaxes(-1, -2) - slopes[:, None, None] * distance
        weight = np.where(distance >= 0, np.exp(logits / np.sqrt(d)), 0)
        formula.append(weight / weight.sum(-1, keepdims=True))
    formula = np.stack(formula)
    found = of_document(observe(network, ids)[0], 0, 0, n_tokens)
    expected = expected_of(formula, lower(n_tokens))
    assert_equal(found, expected)
    np.testing.assert_allclose(found["map"], formula.mean(1), atol=1e-5)

    with torch.inference_mode():
        eager = tiny.network("falcon-alibi", "eager")
        wrong = attentions(eager(input_ids=ids, output_attentions=True).attentions)
    # The first layer's queries and keys are the same on both paths.
    assert np.abs(wrong[0] - formula[0]).max() > 1e-3


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_one_pass_over_a_document_shows_the_attention_of_the_first_greedy_step(name):
    ids = torch.tensor(tiny.token_ids(30))
    config = type(tiny.CONFIGS[name]).from_dict(tiny.CONFIGS[name].to_dict())
    torch.manual_seed(3)
    writer = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    step = writer.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=1,
        do_sample=False,
        return_dict_in_generate=True,
        output_attentions=True,
    )
    attention = attentions(step.attentions[0])
    network = tiny.network(name)
    network.load_state_dict(writer.base_model.state_dict())
    found = of_document(observe(network, ids)[0], 0, 0, 30)
    assert_equal(found, expected_of(attention, lower(30)), 1e-5, 1e-6)
    assert_max_keys(found, attention)


@pytest.mark.parametrize("side", ["none", "right"])
@pytest.mark.parametrize("name", tiny.NAMES)
def test_a_model_under_observation_puts_out_the_same(name, side):
    network = tiny.network(name)
    lengths = (40, 40) if side == "none" else (40, 17)
    ids, mask = tiny.padded(tiny.token_ids(*lengths), "right")
    with torch.inference_mode():
        expected = network(input_ids=ids, attention_mask=mask).last_hidden_state
    _, found = observe(network, ids, mask)
    real = mask.bool()
    np.testing.assert_allclose(found[real].numpy(), expected[real].numpy(), 1e-5, 1e-5)


@pytest.mark.parametrize("name", ["bert", "llama", "falcon-alibi"])
def test_long_documents_keep_block_averages_of_the_map(name):
    network, [document] = tiny.network(name), tiny.token_ids(53)
    attention, _ = alone(network, document)
    for block in (None, 5):
        options = {"map_exact": 52, "map_cells": 6, "block": block}
        statistics, _ = observe(network, torch.tensor([document]), **options)
        expected = [reference.block_map(layer, 6) for layer in attention.mean(1)]
        np.testing.assert_allclose(statistics["map"][0], expected, 1e-5, 1e-8)


@pytest.mark.parametrize("name", tiny.NAMES)
def test_layers_that_are_finished_together_have_the_statistics_of_each_alone(name, monkeypatch):
    network, ids = tiny.network(name), torch.tensor([*tiny.token_ids(53), *tiny.token_ids(53)])
    real = torch.ones_like(ids)
    real[1, 40:] = 0
    results = []
    for n_bytes in (0, 1 << 30):
        monkeypatch.setattr(finish, "WAITING_BYTES", n_bytes)
        results.append(observe(network, ids, real, rule=SinkRule(n_queries=4))[0])
    for statistic, values in results[0].items():
        np.testing.assert_allclose(results[1][statistic], values, 1e-6, 1e-7, err_msg=statistic)


@pytest.mark.parametrize("n_cells", [4, 53])
def test_maps_of_single_heads_are_those_that_were_asked_for(n_cells):
    network, [document] = tiny.network("opt"), tiny.token_ids(53)
    attention, _ = alone(network, document)
    ids = torch.tensor([document])
    chosen = {"map_exact": 0, "map_cells": n_cells, "heads": ((0, 3), (2, 0), (2, 1))}
    observation = Observation(plan(torch.ones_like(ids).bool(), **chosen), Workspace(ids.device))
    with torch.inference_mode(), answered(observation):
        network(input_ids=ids)
    found = [layer.head_maps[0].numpy() for layer in observation.layers]
    assert [len(maps) for maps in found] == [1, 0, 2]
    expected = [reference.block_map(attention[at], n_cells) for at in ((0, 3), (2, 0), (2, 1))]
    np.testing.assert_allclose(np.concatenate(found), expected, 1e-5, 1e-7)


@pytest.mark.parametrize("n_tokens", [8, 53, 64, 65, 90])
@pytest.mark.parametrize("name", ["bert", "llama"])
def test_coarse_maps_of_all_heads(name, n_tokens):
    """The first token alone, the others in blocks that leave at most 64 cells."""
    network, [document] = tiny.network(name), tiny.token_ids(n_tokens)
    attention, _ = alone(network, document)
    for block in (None, 7):
        options = {"map_exact": 0, "map_cells": 1, "coarse": True, "block": block}
        statistics, _ = observe(network, torch.tensor([document]), **options)
        expected = [[reference.coarse_map(head, 64) for head in layer] for layer in attention]
        np.testing.assert_allclose(statistics["coarse_map"][0], expected, 1e-5, 1e-7)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", tiny.NAMES)
def test_half_precision_logits_are_softened_in_float32(name, dtype):
    """16-bit queries and keys give what float64 makes of the very same numbers."""
    network = tiny.network(name).to(dtype)
    ids = torch.tensor(tiny.token_ids(40))
    with torch.inference_mode(), reference.capture() as captured:
        network(input_ids=ids)
    attention, visible = captured.document(0)
    layers = of_document(observe(network, ids)[0], 0, 0, 40)
    found = {name: values[:1] for name, values in layers.items()}
    # Further layers see outputs that were rounded to 16 bits after another summation.
    assert_equal(found, expected_of(attention[:1], visible), 1e-5, 1e-6)
    assert_max_keys(found, attention[:1])


@pytest.mark.parametrize("block", [None, 7])
@pytest.mark.parametrize("name", tiny.NAMES)
def test_weighted_masses_and_those_of_every_query_equal_the_reference(name, block):
    """Grouped heads too; a batch of two, of which the second is padded."""
    network, documents = tiny.network(name), tiny.token_ids(40, 25)
    ids, mask = tiny.padded(documents, "right")
    found, _ = observe(network, ids, mask, by_query=True, weighted=True, block=block)
    for i, document in enumerate(documents):
        n_tokens = len(document)
        with torch.inference_mode(), reference.capture() as captured:
            network(input_ids=torch.tensor([document]))
        p, _ = captured.document(0)
        value = np.stack([layer[0] for layer in captured.value])
        for column, keys in enumerate(SETS):
            expected = reference.norm_mass(p, value, keys)
            np.testing.assert_allclose(found["norm_mass"][i, :, column], expected, 1e-4, 1e-6)
            by_query = found["query_mass"][i, :, :n_tokens, column]
            np.testing.assert_allclose(by_query, p.mean(1)[:, :, keys].sum(-1), 1e-4, 1e-6)
        for field, without in (("query_local", ()), ("query_local_no_sinks", SINKS)):
            near = found[field][i, :, :n_tokens]
            np.testing.assert_allclose(near, reference.query_local(p, without), 1e-4, 1e-6)


def test_values_of_equal_length_leave_the_masses_and_an_empty_value_has_none():
    p = torch.rand(1, 2, 12, 12).tril() + 1e-3
    call = Call(p.log(), torch.eye(12).expand(1, 2, 12, 12), torch.ones(1, 2, 12, 3), None, True, 1)
    statistics = of_call(call, weighted=True)
    np.testing.assert_allclose(statistics["norm_mass"], statistics["mass"], rtol=1e-5)
    call.value[:, :, 0] = 0  # the first key carries nothing: it loses all, and keeps no row whole
    assert (of_call(call, weighted=True)["norm_mass"][:, 0] == 0).all()
