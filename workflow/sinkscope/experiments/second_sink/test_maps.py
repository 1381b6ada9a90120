"""Maps of layers and single heads: which are shown, and that they are those of full matrices."""

import dataclasses

import numpy as np
import pytest
import torch

import reference
import tiny
from sinkscope.experiments.second_sink.constants import studied_layers
from sinkscope.experiments.second_sink.maps import MAP_TOKENS, head_means, pieces, single_heads
from sinkscope.experiments.second_sink.measure import measure
from sinkscope.extract.encode import Encoded, encode
from tasks import documents, task

TEXT = "z the cat sat. " + "it ran " * 8


def loaded_with(name, tokenizer, **shape):
    network = tiny.network(name, vocab_size=max(tiny.VOCABULARY, len(tokenizer)), **shape)
    return dataclasses.replace(tiny.loaded(name, tokenizer), network=network)


def captured(loaded, encoded):
    """[layer, head, query, key] of the whole document."""
    with torch.inference_mode(), reference.capture() as found:
        loaded.network(torch.tensor([encoded.ids]))
    return found.document(0)[0]


def heads_of(loaded, encoded, *wanted):
    """(layer, head) to the drawn map."""
    forward = head_means(loaded, encoded, 7)[1]
    rows = single_heads(loaded, encoded, 7, forward, wanted)
    n = min(MAP_TOKENS, len(encoded.ids))
    return {
        place: part["attention"].to_numpy().reshape(n, n)
        for place, part in rows.group_by("layer", "head", maintain_order=True)
    }


def test_layers_are_as_deep_as_those_that_the_study_shows():
    assert [studied_layers(n) for n in (1, 4, 6, 8, 12, 30, 32, 80)] == [
        *((0, 0), (0, 2), (0, 3), (1, 5), (1, 7), (4, 18), (5, 20), (12, 50)),
    ]


def test_a_model_of_the_studys_size_shows_the_studys_layers_and_heads():
    loaded = loaded_with("llama", tiny.byte_tokenizer(), num_hidden_layers=32)
    job = task("second_sink", *documents(TEXT), second_sink_heads=["0/2", "5/2"])
    frames = measure(loaded, job)
    assert frames["second_sink_maps"]["layer"].unique().sort().to_list() == [5, 20]
    encoded = encode(loaded, "d0", TEXT, truncate=True)
    p = captured(loaded, encoded)[..., :MAP_TOKENS, :MAP_TOKENS]
    for layer in (5, 20):
        rows = frames["second_sink_maps"].filter(layer=layer)
        found = rows["attention"].to_numpy().reshape(MAP_TOKENS, MAP_TOKENS)
        np.testing.assert_allclose(found, p[layer].mean(0), rtol=1e-4, atol=1e-6)
    heads = frames["second_sink_heads"]
    assert set(heads.select("layer", "head").unique().rows()) == {(0, 2), (5, 2)}
    for layer in (0, 5):
        found = heads.filter(layer=layer)["attention"].to_numpy()
        found = found.reshape(MAP_TOKENS, MAP_TOKENS)
        np.testing.assert_allclose(found, p[layer, 2], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["gpt2", "bert"])
def test_without_named_heads_those_that_do_what_the_studys_do_are_shown(name):
    """Also where the model has none of the named heads."""
    tokenizer = tiny.letter_tokenizer() if name == "bert" else tiny.byte_tokenizer()
    loaded = loaded_with(name, tokenizer)
    encoded = encode(loaded, "d", TEXT, truncate=True)
    p = captured(loaded, encoded)
    words, at = [], None  # of each token the place of its word, letter by letter
    for i, token in enumerate(encoded.tokens):
        if not token.strip("#\u2581").isalpha() or i == 0:
            at = None
        elif at is None or (name == "bert" and not token.startswith("##")):
            at = i
        words.append(at)
    if name == "gpt2":
        words[0] = 0
    n = len(encoded.ids)
    earlier = np.array([[j < i and words[i] is not None and words[i] == words[j]
                         for j in range(n)] for i in range(n)])  # fmt: skip
    assert earlier.any()
    mass = (p[0] * earlier).sum(-1)[:, earlier.any(1)].mean(1)
    deep = studied_layers(len(p))[0]
    expected = [(0, int(mass.argmax())), (deep, int(p[deep, :, :, 0].mean(1).argmax()))]
    for wanted in ((), ("9/0", "0/17")):
        found = heads_of(loaded, encoded, *wanted)
        assert list(found) == list(dict.fromkeys(expected))
        for (layer, head), matrix in found.items():
            of_full = p[layer, head][:MAP_TOKENS, :MAP_TOKENS]
            np.testing.assert_allclose(matrix, of_full, rtol=1e-4, atol=1e-6)


def test_named_heads_that_the_model_has_are_shown_alone():
    loaded = loaded_with("gpt2", tiny.byte_tokenizer())
    encoded = encode(loaded, "d", TEXT, truncate=True)
    assert list(heads_of(loaded, encoded, "2/3", "31/2")) == [(2, 3)]


def of(tokens, classes, gaps):
    return Encoded(list(range(len(tokens))), tokens, classes, len(tokens), gaps)


def test_pieces_of_a_word_have_nothing_between_them():
    tokens = ["<s>", "\u2581bene", "vol", "ent", ",", "in", "t"]
    classes = ["bos", "word", "word", "word", "punctuation", "word", "word"]
    joined = pieces(of(tokens, classes, [""] * 7))
    assert list(zip(*np.nonzero(joined), strict=True)) == [(2, 1), (3, 1), (3, 2), (6, 5)]
    assert not pieces(of(tokens, classes, None)).any()
    apart = ["", "", "", " ", "", " ", ""]  # WordPiece: spaces belong to no token
    joined = pieces(of([token.strip("\u2581") for token in tokens], classes, apart))
    assert list(zip(*np.nonzero(joined), strict=True)) == [(2, 1), (6, 5)]


def test_a_text_without_words_of_several_tokens_shows_the_head_at_the_first_token_alone():
    loaded = loaded_with("gpt2", tiny.byte_tokenizer())
    encoded = encode(loaded, "d", "a b c. " * 12, truncate=True)
    assert not pieces(encoded).any()
    p = captured(loaded, encoded)
    assert list(heads_of(loaded, encoded)) == [(0, int(p[0, :, :, 0].mean(1).argmax()))]


def test_the_map_of_an_encoder_is_of_the_document_that_the_tables_are_of():
    """Its first tokens see all that follow, [MASK] and [SEP] too."""
    loaded = loaded_with("bert", tiny.letter_tokenizer())
    encoded = encode(loaded, "d", TEXT, truncate=True)
    p = captured(loaded, encoded)
    assert p.shape[-1] > MAP_TOKENS
    maps, _ = head_means(loaded, encoded, 7)
    layer = maps["layer"][0]
    attention = maps.filter(layer=layer)["attention"].to_numpy().reshape(MAP_TOKENS, MAP_TOKENS)
    np.testing.assert_allclose(
        attention, p[layer].mean(0)[:MAP_TOKENS, :MAP_TOKENS], rtol=1e-4, atol=1e-6
    )
