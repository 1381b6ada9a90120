"""Texts with and without special tokens, with other beginnings: what is changed, and only that."""

import dataclasses

import numpy as np
import polars as pl
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

import reference
import tiny
from sinkscope.documents import Document
from sinkscope.experiments.bos import measure as bos
from sinkscope.experiments.bos.measure import (
    FILLER,
    N_WORDS,
    beginnings,
    of_position,
    on_and_off,
    other_first_words,
)
from sinkscope.extract.encode import encode
from tasks import task

TEXT = "A cab, dad ate. Did he? Yes"
DOCUMENT = Document("d", "d.txt", None, TEXT)


def decoder(name="gpt2", bos_token="<|endoftext|>"):
    tokenizer = tiny.byte_tokenizer(bos_token)
    return dataclasses.replace(
        tiny.loaded(name, tokenizer), network=tiny.network(name, vocab_size=len(tokenizer))
    )


def encoder():
    tokenizer = tiny.letter_tokenizer()
    return dataclasses.replace(
        tiny.loaded("bert", tokenizer), network=tiny.network("bert", vocab_size=len(tokenizer))
    )


def test_a_bos_is_put_in_front_and_the_end_is_cut():
    loaded = decoder()
    pair = on_and_off(loaded, DOCUMENT)
    with_, without = pair.ids.tolist()
    assert pair.word == 1
    assert with_[0] == loaded.tokenizer.bos_token_id
    assert with_[1:] == without[:-1]


def test_a_bos_that_is_not_usual_is_put_in_front_too():
    tokenizer = tiny.byte_tokenizer()
    tokenizer.bos_token = "<|endoftext|>"
    loaded = dataclasses.replace(decoder(), tokenizer=tokenizer)
    assert encode(loaded, "d", TEXT, truncate=True).classes[0] == "first"
    assert on_and_off(loaded, DOCUMENT).ids[0, 0] == tokenizer.bos_token_id


def test_an_encoder_keeps_its_last_tokens_and_loses_the_end_of_the_text():
    loaded = encoder()
    pair = on_and_off(loaded, DOCUMENT)
    with_, without = (loaded.tokenizer.convert_ids_to_tokens(row) for row in pair.ids)
    assert pair.word == 1
    assert (with_[0], with_[-2:]) == ("[CLS]", ["[MASK]", "[SEP]"])
    assert without[-1] == "[MASK]"
    assert with_[1:-2] == without[:-3]


def test_no_special_token_nothing_to_compare():
    assert on_and_off(decoder(bos_token=None), DOCUMENT) is None
    assert on_and_off(decoder(), Document("d", "d.txt", None, "ab")) is None


def test_other_first_words_change_one_token():
    tokenizer = tiny.letters_and_words("<|endoftext|>")
    loaded = tiny.loaded("gpt2", tokenizer)
    encoded = encode(loaded, "d", " abc dab cab bad", truncate=True)
    ids = other_first_words(loaded, encoded)
    assert len(ids) == 1 + N_WORDS
    assert ids[0].tolist() == encoded.ids
    assert (ids[1:, 1:] == ids[0, 1:]).all()
    assert (ids[1:, 0] != ids[0, 0]).all()


def test_other_first_words_are_pieces_of_the_vocabulary():
    tokenizer = tiny.with_unused_ids()
    loaded = dataclasses.replace(tiny.loaded("gpt2"), tokenizer=tokenizer)
    ids = other_first_words(loaded, encode(loaded, "d", "Z abc dab", truncate=True))
    assert len(ids) == 1 + N_WORDS
    assert all(tokenizer.convert_ids_to_tokens(int(i)) for i in ids[:, 0])


@pytest.mark.parametrize("kind", ["esm", "bertweet"])
def test_a_tokenizer_in_python_will_do(kind, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(tiny.save_tokenizer(kind, tmp_path))
    network = tiny.network("roberta", vocab_size=len(tokenizer))
    loaded = dataclasses.replace(tiny.loaded("roberta", tokenizer), network=network)
    job = task("bos", Document("d", "d.txt", None, "MKL ALA. GAL."))
    assert not bos.measure(loaded, job)["position_content"].is_empty()


@pytest.mark.parametrize("kind", ["encoder", "decoder"])
def test_masses_agree_with_full_matrices(kind):
    loaded = encoder() if kind == "encoder" else decoder()
    job = task("bos", DOCUMENT)
    pair = on_and_off(loaded, DOCUMENT)
    frames = bos.measure(loaded, job)
    table = frames["bos"].sort("input", "layer")
    for row, name in enumerate(("with", "without")):
        with torch.inference_mode(), reference.capture() as captured:
            loaded.network(pair.ids[row : row + 1])
        p, _ = captured.document(0)
        queries = [i for i in range(p.shape[2]) if (i not in (0, 1) if kind == "encoder"
                                                    else i > 1)]  # fmt: skip
        mass = p.mean(1)[:, queries].mean(1)
        rows = table.filter(pl.col("input") == name)
        np.testing.assert_allclose(rows["first_token"], mass[:, 0], 1e-4, 1e-6)
        word = mass[:, 1] if name == "with" else mass[:, 0]
        np.testing.assert_allclose(rows["first_word"], word, 1e-4, 1e-6)
    assert table["is_usual"].all()


def test_keys_are_followed_when_a_sentence_is_in_front():
    """The terminator of the filler, that of the text, and what is in the latter's old place."""
    loaded = decoder()
    encoded = encode(loaded, "d", TEXT, truncate=True)
    text, filler = beginnings(loaded, DOCUMENT, encoded)
    assert text.keys == {"first_token": 0, "first_terminator": 1 + TEXT.index(".")}
    end = 1 + len(FILLER) - 1  # behind the BOS
    assert filler.keys == {
        "first_token": 0,
        "filler_end": end,
        "first_terminator": end + 2 + TEXT.index("."),
        "same_position": 1 + TEXT.index("."),
    }
    assert filler.names == ["filler", "filler_comma"]
    marks = [loaded.tokenizer.decode(row[end : end + 1]) for row in filler.ids]
    assert marks == [".", ","]
    assert (filler.ids[0] != filler.ids[1]).sum() == 1


def test_a_text_that_begins_in_lower_case_has_a_sentence_in_front_too():
    """`day. a cab` would be one sentence: the text's own full stop would be taken for FILLER's."""
    loaded, text = decoder(), "a cab, dad ate. Did he? Yes"
    document = Document("d", "d.txt", None, text)
    [_, filler] = beginnings(loaded, document, encode(loaded, "d", text, truncate=True))
    rows = [loaded.tokenizer.decode(row[1:]) for row in filler.ids]
    assert rows == [f"{FILLER}\n{text}", f"{FILLER[:-1]},\n{text}"]
    assert filler.keys["filler_end"] == len(FILLER)
    assert filler.keys["first_terminator"] == 1 + len(FILLER) + 1 + text.index(".")


def test_a_text_is_not_behind_a_sentence_whose_end_is_no_token_of_its_own():
    """Where `day.` is one piece, the text's own full stop must not be taken for FILLER's."""
    tokens = ["<unk>", *FILLER.split(), "Z", "ran", ".", ",", "He", "did"]
    backend = Tokenizer(models.WordLevel({t: i for i, t in enumerate(tokens)}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>")
    loaded = tiny.loaded("gpt2", tokenizer)
    document = Document("d", "d.txt", None, "Z ran . He did . He did")
    encoded = encode(loaded, "d", document.text, truncate=True)
    [text] = beginnings(loaded, document, encoded)
    assert text.keys == {"first_token": 0, "first_terminator": 2}


def test_no_terminator_no_place_to_follow():
    loaded, words = decoder(), Document("d", "d.txt", None, "no end")
    assert beginnings(loaded, words, encode(loaded, "d", words.text, truncate=True)) == []


def test_what_the_keys_get_is_counted_behind_the_last_of_them():
    loaded = decoder()
    [_, filler] = beginnings(loaded, DOCUMENT, encode(loaded, "d", TEXT, truncate=True))
    table = of_position(loaded, filler)
    for row, name in enumerate(filler.names):
        with torch.inference_mode(), reference.capture() as captured:
            loaded.network(filler.ids[row : row + 1])
        p, _ = captured.document(0)
        mass = p.mean(1)[:, max(filler.keys.values()) + 1 :].mean(1)
        for role, key in filler.keys.items():
            rows = table.filter(input=name, role=role).sort("layer")["mass"]
            np.testing.assert_allclose(rows, mass[:, key], 1e-4, 1e-6)
