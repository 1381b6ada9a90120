"""Tokens and key classes from ids alone, against those that the atlas makes of the text."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

import sinkscope
import tiny
from sinkscope.api.tokens import encoded_of
from sinkscope.extract.encode import encode
from sinkscope.extract.model import Loaded

TEXT = 'Z He said "No." She left at 3.5 miles, etc. and slept?! 河水 e\u0301 It rained.\n'
TEXT += "U.S. ships came"
CASED = ("gpt2", "llama", "opt", "falcon", "roberta", "distilbert", "bert")


def tokenizer_of(name):
    return AutoTokenizer.from_pretrained(tiny.ROOT / "zoo" / name)


def atlas(tokenizer, text, family="decoder"):
    network = tiny.network("gpt2", vocab_size=len(tokenizer))
    loaded = Loaded(tiny.row(), network, tokenizer, family, None, None)
    encoded = encode(loaded, "essay", text, truncate=False)
    return replace(encoded, gaps=None)  # what ids alone cannot tell


@pytest.mark.parametrize("name", CASED)
def test_ids_of_the_zoo_have_the_tokens_and_classes_of_the_atlas(name):
    tokenizer = tokenizer_of(name)
    expected = atlas(tokenizer, TEXT)
    found = encoded_of(tokenizer, expected.ids, "essay", TEXT)
    assert found == expected
    from_ids = encoded_of(tokenizer, expected.ids, "essay")
    assert from_ids.tokens == expected.tokens or name in ("distilbert", "bert")
    if name not in ("distilbert", "bert"):  # their vocabularies drop case
        assert from_ids.classes == expected.classes


@given(st.text(st.sampled_from(" .?!,\n'\"aBc1河é"), min_size=1, max_size=40))
def test_any_text_of_a_byte_vocabulary_is_read_back(text):
    tokenizer = tokenizer_of("gpt2")
    ids = tokenizer(text)["input_ids"]
    expected = atlas(tokenizer, text)
    assert encoded_of(tokenizer, ids, "essay") == expected
    assert encoded_of(tokenizer, ids, "essay", text) == expected


def test_a_mask_at_the_end_and_special_tokens_between_texts():
    tokenizer = tiny.letter_tokenizer()
    expected = atlas(tokenizer, "a cat. it sat.", "encoder")
    assert expected.classes[-2:] == ["mask", "sep"]
    assert encoded_of(tokenizer, expected.ids, "essay", "a cat. it sat.") == expected
    pair = tokenizer("it sat.")["input_ids"] + tokenizer("so.")["input_ids"]
    found = encoded_of(tokenizer, pair, "pair")
    assert found.classes.count("sep") == found.classes.count("cls") == 2
    assert found.classes.count("terminator") == 2


@pytest.mark.parametrize("kind", ["herbert", "bertweet", "phobert", "esm"])
def test_tokenizers_in_python_are_searched_for_in_their_text(kind, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(tiny.save_tokenizer(kind, tmp_path / kind))
    text = "LAG" if kind == "esm" else "the cat sat"
    expected = atlas(tokenizer, text)
    assert encoded_of(tokenizer, expected.ids, "essay", text) == expected


def test_a_row_that_was_cut_is_the_front_of_its_text():
    tokenizer = tokenizer_of("gpt2")
    ids = tokenizer(TEXT)["input_ids"][:9]
    assert encoded_of(tokenizer, ids, "essay", TEXT).classes == atlas(tokenizer, TEXT).classes[:9]


def test_a_text_that_is_not_the_rows_is_refused():
    tokenizer = tokenizer_of("gpt2")
    ids = tokenizer("Z He came.")["input_ids"]
    with pytest.raises(sinkscope.SinkscopeError, match=r"document 'a'.*does not give the ids"):
        encoded_of(tokenizer, ids, "a", "Z She left.")


def test_padding_tokens_are_no_part_of_a_row(gpt2, gpt2_tokenizer):
    texts = ["Z He came. She left.", "Z Rain."]
    gpt2_tokenizer.pad_token = gpt2_tokenizer.eos_token
    batch = gpt2_tokenizer(texts, padding=True, return_tensors="pt")
    with sinkscope.observe(gpt2, gpt2_tokenizer, texts=texts, documents=["long", "short"]) as seen:
        gpt2(**batch)
    assert seen.tokens("short") == ["Z", "▁R", "ain", "."]
    ends = seen.sink_mass().filter(key_set="terminator", layer=0)
    assert ends["n_keys"].to_list() == [2, 1]
    assert seen.max_keys()["count"].sum() == 8 * (7 + 4)
    assert "eos" not in seen.max_keys()["key_class"]


def test_named_tokens_take_the_place_of_the_tokenizers(gpt2, gpt2_tokenizer):
    ids = gpt2_tokenizer("Z He came.", return_tensors="pt")["input_ids"]
    with sinkscope.observe(gpt2, gpt2_tokenizer, tokens=[["A", "B", "C", "D"]]) as seen:
        gpt2(torch.as_tensor(ids))
    assert set(seen.max_keys()["token"]) <= set("ABCD")
    assert "first" in seen.max_keys()["key_class"]
