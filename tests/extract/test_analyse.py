"""A model on a document: what the cell holds, tiny models and the packaged ones."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import AutoModel

import reference
import tiny
from sinkscope.documents import Document
from sinkscope.errors import SinkscopeError
from sinkscope.extract.coarse import edges
from sinkscope.keys import KEY_SETS

TEXT = "Z It rained all night. The river rose, and by noon the lower field was gone! Who knew?"


def document(text=TEXT, name="essay"):
    return Document(name, f"{name}.txt", None, text)


FOUND = ("is_sink", "by_attention", "by_state", "steady", "is_head_sink", "local_no_sinks")


def small(name="llama", **changes):
    """An analyser of a tiny model that reads letters or bytes."""
    tokenizer = tiny.letter_tokenizer() if name in tiny.ENCODERS else tiny.byte_tokenizer()
    network = tiny.network(name, vocab_size=len(tokenizer))
    return tiny.analyser(replace(tiny.loaded(name, tokenizer), network=network), **changes)


@pytest.fixture(scope="module")
def encoder_cell(minilm):
    return tiny.analyser(minilm, window=64).analyse(document())


def mass_of(cell, key_set):
    return cell["mass"][:, KEY_SETS.index(key_set)]


@pytest.mark.parametrize("name", ["bert", "llama"])
def test_a_cell_holds_the_reference_of_every_statistic(name):
    low = {"sink_times": 1.05, "sink_floor": 0.01, "sink_share": 0.4, "sink_queries": 4}
    analyser = small(name, window=8, **low)  # of random weights no key is a sink by the defaults
    cell = analyser.analyse(document("a cat! it sat"))
    ids = analyser.loaded.tokenizer.convert_tokens_to_ids(
        [token.replace("▁", "Ġ") for token in cell.meta["tokens"]]
    )
    with torch.inference_mode(), reference.capture() as captured:
        analyser.loaded.network(input_ids=torch.tensor([ids]))
    attention, visible = captured.document(0)
    classes = cell.meta["classes"]
    full_stop = classes.index("terminator")
    sinks = {0, full_stop, len(ids) - 1} if name == "bert" else {0, full_stop}
    sets = dict.fromkeys(KEY_SETS, ()) | {
        "first_token": [0],
        "first_four": [0, 1, 2, 3],
        "first_terminator": [full_stop],
        "terminator": [full_stop],
        "listed_sinks": sorted(sinks),
        "word": [i for i, found in enumerate(classes) if found == "word"],
        "space": [i for i, found in enumerate(classes) if found == "space"],
    }
    if name == "bert":
        sets |= {"cls": [0], "sep": [len(ids) - 1], "mask": [len(ids) - 2]}
        sets["special"] = [0, len(ids) - 2, len(ids) - 1]
    else:
        sets["first"] = [0]
    del sets["sinks"]  # found, not listed
    expected = reference.statistics(attention, visible, list(map(list, sets.values())), sinks, 8)
    found = reference.sinks(attention, visible, analyser.settings.rule, cell["state_cosine"])
    for mass, of_sinks in (("mass", "sink_mass"), ("strict_mass", "strict_sink_mass")):
        expected[mass] = np.concatenate([expected[mass], found[of_sinks][:, None]], -1)
    assert found["is_sink"].any()
    assert not found["is_sink"].all()
    expected |= {name: found[name] for name in FOUND}
    expected["uniform"] = np.tile(reference.uniform(visible), (3, 1))
    if name == "llama":  # later keys are seen by no query of the window
        expected["window_score"] = expected["window_score"][..., :8]
    half = expected.pop("map")
    for key, values in expected.items():
        np.testing.assert_allclose(cell[key], values, 1e-5, 1e-7, err_msg=key)
    np.testing.assert_allclose(cell["map"], half, 1e-3, 1e-7)
    np.testing.assert_array_equal(cell["max_key"], reference.max_key(attention))
    assert cell.n_tokens == len(ids)
    assert cell.meta["is_causal"] == (name == "llama")
    np.testing.assert_array_equal(cell["n_queries"], [visible.sum(0)] * 3)
    in_window = visible[:8].sum(0)[: cell["window_score"].shape[2]]
    np.testing.assert_array_equal(cell["n_window_queries"], [in_window] * 3)


def test_a_cell_has_the_types_and_axes_that_its_readers_rely_on(encoder_cell):
    n, s = encoder_cell.n_tokens, len(KEY_SETS)
    expected = {
        "max_key": ((6, n), np.int32),
        "max_value": ((6, n), np.float32),
        "second_value": ((6, n), np.float32),
        "sink_score": ((6, 12, n), np.float32),
        "n_queries": ((6, n), np.int32),
        "uniform": ((6, n), np.float32),
        "is_sink": ((6, n), np.bool_),
        "by_attention": ((6, n), np.bool_),
        "by_state": ((6, n), np.bool_),
        "is_head_sink": ((6, 12, n), np.bool_),
        "steady": ((6, n), np.float32),
        "state_norm": ((6, n), np.float32),
        "state_cosine": ((6, n), np.float32),
        "value_norm": ((6, n), np.float32),
        "window_score": ((6, 12, n), np.float32),
        "n_window_queries": ((6, n), np.int32),
        "mass": ((6, s), np.float32),
        "strict_mass": ((6, s), np.float32),
        "entropy": ((6, 12), np.float32),
        "row_sum": ((6, 12), np.float32),
        "virtual_sink": ((6, 12), np.float32),
        "gate": ((6, 12), np.float32),
        "over_half": ((6, 12), np.float32),
        "local": ((6, 12, 5), np.float32),
        "local_no_sinks": ((6, 12, 5), np.float32),
        "map": ((6, n, n), np.float16),
        "head_map": ((0, n, n), np.float16),
        "coarse_map": ((6, 12, *[len(edges(n)) - 1] * 2), np.uint8),
    }
    found = {name: (a.shape, a.dtype.type) for name, a in encoder_cell.arrays.items()}
    assert found == expected


def test_a_truncated_document_says_how_long_it_was():
    cell = small("bert", truncate=True).analyse(document("a " * 200))
    assert cell.n_tokens == 96
    assert cell.meta["n_tokens_full"] == 203
    assert cell.meta["classes"][-2:] == ["mask", "sep"]


def test_single_heads_are_kept_on_request():
    analyser = small("llama", head_maps=("llama/2/5", "other/0/0", "llama/0/1"))
    cell = analyser.analyse(document("abc abc"))
    assert cell.meta["heads"] == ["0/1", "2/5"]
    everyone = small("llama", head_maps=tuple(f"llama/0/{head}" for head in range(6)))
    every_head = everyone.analyse(document("abc abc"))["head_map"]
    np.testing.assert_array_equal(cell["head_map"][0], every_head[1])
    np.testing.assert_allclose(every_head.mean(0), cell["map"][0], atol=1e-3)


@pytest.mark.parametrize("wanted", ["llama/3/0", "llama/0/6"])
def test_a_head_that_the_model_has_not_is_an_error(wanted):
    with pytest.raises(SinkscopeError, match=f"'{wanted}'.*layers 0 to 2 and heads 0 to 5"):
        small("llama", head_maps=(wanted,)).analyse(document("abc"))


def test_long_documents_keep_a_block_map():
    cell = small("llama", map_exact=20, map_cells=10).analyse(document("abcdefg " * 5))
    assert cell["map"].shape == (3, 10, 10)
    np.testing.assert_allclose(cell["map"].astype(float).sum(-1) * 4, 1, atol=2e-3)


def test_a_document_of_exactly_map_exact_tokens_keeps_its_map_in_full():
    cell = small("llama", map_exact=20, map_cells=10).analyse(document("a" * 20))
    assert cell["map"].shape == (3, 20, 20)


def test_more_map_cells_than_tokens_leave_no_holes():
    cell = small("llama", map_exact=5, map_cells=50).analyse(document("abcdefg"))
    assert np.isfinite(cell["map"]).all()


def test_a_document_of_one_token_has_a_cell():
    cell = small("gpt2").analyse(document("Z"))
    assert cell.meta["classes"] == ["first"]
    assert (cell["sink_score"] == 1).all()
    assert np.isnan(cell["entropy"]).all()


def test_a_text_that_a_tokenizer_drops_in_full_is_an_error(minilm):
    """BERT's cleaning leaves nothing of zero-width spaces, which are no white space to Python."""
    bare = replace(minilm, row=replace(minilm.row, add_special_tokens="false"))
    with pytest.raises(SinkscopeError, match="document 'essay': model 'minilm' reads no token"):
        tiny.analyser(bare).analyse(document("\u200b"))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["bert", "llama"])
def test_broken_weights_are_an_error_that_names_model_layer_and_remedy(name, value):
    analyser = small(name)
    network = analyser.loaded.network
    layers = network.encoder.layer if name == "bert" else network.layers
    next(layers[1].parameters()).fill_(value)
    with pytest.raises(SinkscopeError) as caught:
        analyser.analyse(document("abc"))
    message = str(caught.value)
    assert "document 'essay'" in message
    assert f"model '{name}'" in message
    assert "layer 1 " in message
    assert "use float32, or check the weights" in message


def test_the_packaged_decoder_has_a_sink_at_its_first_token(smollm2, encyclopedia_article):
    cell = tiny.analyser(smollm2).analyse(document(encyclopedia_article))
    assert cell["max_key"].shape == (30, 448)
    keys = Counter(cell["max_key"].ravel().tolist())
    assert keys.most_common(1)[0][0] == 0
    assert keys[0] > 0.5 * keys.total()
    assert mass_of(cell, "first_token")[12:24].mean() > 0.4


def test_the_packaged_encoder_has_a_sink_at_cls(minilm, short_story):
    cell = tiny.analyser(minilm).analyse(document(short_story))
    classes = Counter(cell.meta["classes"][key] for key in cell["max_key"].ravel())
    assert classes.most_common(1)[0][0] == "cls"
    assert (mass_of(cell, "cls")[1:5] > 0.25).all()


def test_the_packaged_distilbert_has_a_sink_at_sep_in_its_later_layers(
    distilbert, encyclopedia_article
):
    """Over 128 tokens, to which its tokenizer.json would cut the text."""
    cell = tiny.analyser(distilbert).analyse(document(encyclopedia_article))
    assert cell["max_key"].shape == (6, 437)
    classes = Counter(cell.meta["classes"][key] for key in cell["max_key"].ravel())
    assert classes.most_common(1)[0][0] == "sep"
    mass = mass_of(cell, "sep")
    assert (mass[2:] > 0.25).all()
    assert (mass[:2] < 0.1).all()


def test_the_packaged_encoder_equals_its_own_output_attentions(minilm):
    cell = tiny.analyser(minilm).analyse(document())
    eager = AutoModel.from_pretrained(
        minilm.network.config._name_or_path, attn_implementation="eager"
    )
    ids = minilm.tokenizer(f"{TEXT} [MASK]", return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        layers = eager.eval()(input_ids=ids, output_attentions=True).attentions
    attention = np.stack([layer[0].double().numpy() for layer in layers])
    visible = np.ones(attention.shape[2:], dtype=bool)
    for name in ("sink_score", "entropy"):
        expected = getattr(reference, name)(attention, visible)
        np.testing.assert_allclose(cell[name], expected, 1e-5, 1e-6, err_msg=name)
    np.testing.assert_allclose(mass_of(cell, "cls"), reference.mass(attention, [0]), 1e-5, 1e-6)
    clear = reference.margin(attention) > 1e-6
    np.testing.assert_array_equal(cell["max_key"][clear], reference.max_key(attention)[clear])
