"""From text to tokens: special tokens, readable strings, classes, documents that are too long."""

from dataclasses import replace

import numpy as np
import pytest

import tiny
from sinkscope.errors import ModelError, SinkscopeError
from sinkscope.extract.encode import classes_of, encode
from sinkscope.keys import CODES, KEY_CLASSES, SPECIAL_CLASSES


def encoded(tokenizer, text="abc", name="llama", max_length=96, truncate=False, **row):
    loaded = tiny.loaded(name, tokenizer)
    loaded = replace(loaded, row=tiny.row(name, **row), max_length=max_length)
    return encode(loaded, "essay", text, truncate=truncate)


def test_an_encoders_mask_token_is_the_last_but_one():
    found = encoded(tiny.letter_tokenizer(), "ab? c", "bert")
    assert found.tokens == ["[CLS]", "a", "##b", "?", "c", "[MASK]", "[SEP]"]
    assert found.classes == ["cls", "word", "word", "terminator", "word", "mask", "sep"]
    assert (found.n_tokens_full, found.truncated) == (7, False)


def test_gaps_are_what_lies_between_tokens_in_the_text():
    whole = encoded(tiny.letter_tokenizer(), "ab?  c", "bert")
    assert whole.gaps == ["", "", "", "", "  ", " ", ""]
    cut = encoded(tiny.letter_tokenizer(), "a b  c d", "bert", max_length=5, truncate=True)
    assert cut.tokens == ["[CLS]", "a", "b", "[MASK]", "[SEP]"]
    assert cut.gaps == ["", "", " ", " ", ""]


def test_an_encoder_may_do_without_special_tokens_but_not_without_its_mask():
    found = encoded(tiny.letter_tokenizer(), "ab", "bert", add_special_tokens="false")
    assert found.tokens == ["a", "##b", "[MASK]"]
    assert found.classes == ["first", "word", "mask"]


def test_the_packaged_encoder_reads_classes_right(minilm):
    found = encode(minilm, "essay", "Z It rained; why? 12 days.", truncate=False)
    assert found.tokens == [
        "[CLS]", "z", "it", "rained", ";", "why", "?", "12", "days", ".", "[MASK]", "[SEP]",
    ]  # fmt: skip
    assert found.classes == [
        "cls", "word", "word", "word", "punctuation", "word", "terminator", "number", "word",
        "terminator", "mask", "sep",
    ]  # fmt: skip


def test_a_decoder_gets_no_mask_and_shows_its_white_space():
    found = encoded(tiny.byte_tokenizer(), "Z a.\n\t1")
    assert found.tokens == ["Z", "▁", "a", ".", "⏎", "⇥", "1"]
    assert found.classes == [
        "first", "space", "word", "terminator", "newline", "space", "number",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"No." So', {5: "terminator"}),
        ("(no.) So", {5: "terminator"}),
        ("no... So", {4: "punctuation", 5: "punctuation", 6: "terminator"}),
        ("no?! so", {4: "punctuation", 5: "terminator"}),
        ("at 3.5", {6: "punctuation"}),
        ("U.S. Navy", {3: "punctuation", 5: "punctuation"}),
        ("e.g. Navy", {3: "punctuation", 5: "punctuation"}),
        ("etc. and", {5: "punctuation"}),
        ("a.txt", {3: "punctuation"}),
    ],
)
def test_only_a_dot_that_ends_a_sentence_is_a_terminator(text, expected):
    found = encoded(tiny.byte_tokenizer(), f"Z {text}")
    marks = {i: name for i, name in enumerate(found.classes) if found.tokens[i] in ".?!"}
    assert marks == expected


def test_what_follows_the_last_full_stop_of_an_encoders_document_is_no_word():
    """Its mask token is put behind the text: `[mask]` in lower case would go on with it."""
    tokenizer = tiny.letter_tokenizer()
    tokenizer.add_special_tokens({"mask_token": "mask"})
    found = encoded(tokenizer, "ab.", "bert")
    assert found.tokens[-3:] == [".", "mask", "[SEP]"]
    assert found.classes[-3:] == ["terminator", "mask", "sep"]


def test_truncation_does_not_change_the_classes_of_what_is_left():
    whole = encoded(tiny.byte_tokenizer(), "Zab! cd é")
    cut = encoded(tiny.byte_tokenizer(), "Zab! cd é", max_length=9, truncate=True)
    assert cut.tokens == whole.tokens[:9]
    assert cut.tokens[-1] == "é[1/2]"
    assert cut.classes == whole.classes[:9]


def test_sentencepiece_marks_and_bytes_read_as_what_they_stand_for():
    found = encoded(tiny.word_tokenizer("▁Z", "▁is", "<0x0A>", "▁12", "."), "Z is\n 12.")
    assert found.tokens == ["▁Z", "▁is", "⏎", "▁12", "."]
    assert found.classes == ["first", "word", "newline", "number", "terminator"]


@pytest.mark.parametrize(
    ("special", "first"), [("auto", "bos"), ("true", "bos"), ("false", "first")]
)
def test_a_tokenizer_that_adds_bos_does_so_once_unless_told_not_to(special, first):
    found = encoded(tiny.byte_tokenizer(bos="<s>"), add_special_tokens=special)
    assert found.classes == [first, "word", "word", "word"][: len(found.ids)]
    assert len(found.ids) == (3 if special == "false" else 4)


def test_a_bos_that_the_tokenizer_leaves_out_can_be_asked_for():
    tokenizer = tiny.byte_tokenizer(bos_token="<|endoftext|>")
    assert encoded(tokenizer).classes[0] == "first"
    found = encoded(tokenizer, add_special_tokens="true")
    assert found.tokens == ["<|endoftext|>", "a", "b", "c"]
    assert found.classes[0] == "bos"


def test_an_encoder_with_cls_is_given_no_bos_in_front():
    tokenizer = tiny.letter_tokenizer()
    tokenizer.bos_token = "[UNK]"
    assert encoded(tokenizer, "a", "bert", add_special_tokens="true").tokens[0] == "[CLS]"


@pytest.mark.parametrize("name", ["bert", "llama"])
def test_a_document_longer_than_the_model_takes_is_an_error_with_a_remedy(name):
    tokenizer = tiny.letter_tokenizer() if name == "bert" else tiny.byte_tokenizer()
    n_tokens = 103 if name == "bert" else 100
    with pytest.raises(SinkscopeError) as caught:
        encoded(tokenizer, "a" * 100, name)
    assert str(caught.value) == (
        f"document 'essay': {n_tokens} tokens, but model '{name}' takes at most 96; "
        "shorten it, leave the cell out, or set truncate: true."
    )


def test_a_document_of_exactly_the_longest_input_is_taken():
    found = encoded(tiny.letter_tokenizer(), "a" * 93, "bert")
    assert len(found.ids) == found.n_tokens_full == 96


def test_truncation_keeps_the_mask_and_sep_at_the_end():
    whole = encoded(tiny.letter_tokenizer(), "abcdefgh", "bert")
    found = encoded(tiny.letter_tokenizer(), "abcdefgh", "bert", 6, truncate=True)
    assert found.tokens == ["[CLS]", "a", "##b", "##c", "[MASK]", "[SEP]"]
    assert found.ids == [*whole.ids[:4], *whole.ids[-2:]]
    assert (found.n_tokens_full, found.truncated) == (11, True)


def test_truncation_of_an_encoder_without_a_mask_token_keeps_sep():
    tokenizer = tiny.letter_tokenizer()
    tokenizer.mask_token = None
    found = encoded(tokenizer, "abcdefgh", "bert", 5, truncate=True)
    assert found.tokens == ["[CLS]", "a", "##b", "##c", "[SEP]"]


def test_truncation_of_a_decoder_drops_the_end():
    found = encoded(tiny.byte_tokenizer(bos="<s>"), "abcdefgh", max_length=4, truncate=True)
    assert found.tokens == ["<s>", "a", "b", "c"]
    assert (found.n_tokens_full, found.truncated) == (9, True)


@pytest.mark.parametrize(
    ("name", "special", "max_length", "needed"),
    [
        ("bert", "auto", 1, 4),
        ("bert", "auto", 3, 4),
        ("bert", "false", 1, 2),
        ("llama", "auto", 1, 2),
    ],
)
def test_a_longest_input_without_room_for_text_is_an_error(name, special, max_length, needed):
    """[CLS], [MASK] and [SEP], or a BOS, and one token of the text."""
    tokenizer = tiny.letter_tokenizer() if name == "bert" else tiny.byte_tokenizer(bos="<s>")
    options = {"truncate": True, "add_special_tokens": special}
    with pytest.raises(ModelError) as caught:
        encoded(tokenizer, "abcdefgh", name, max_length, **options)
    assert str(caught.value) == (
        f"model '{name}': it takes at most {max_length} tokens, but its special tokens and one "
        f"token of text are {needed}; raise its max_length."
    )
    found = encoded(tokenizer, "abcdefgh", name, needed, **options)
    assert len(found.ids) == needed
    assert found.classes.count("word") + found.classes.count("first") == 1


def test_a_model_without_a_longest_input_takes_everything():
    assert len(encoded(tiny.byte_tokenizer(), "a" * 500, max_length=None).ids) == 500


def test_a_text_without_a_token_is_an_error():
    tokenizer = tiny.byte_tokenizer()
    tokenizer.backend_tokenizer.normalizer = None
    with pytest.raises(SinkscopeError, match="document 'essay': model 'llama' reads no token"):
        encoded(tokenizer, "")


SPECIAL_IDS = {"bos": 1, "cls": 2, "sep": 3, "eos": 4, "mask": 5}


def classes(ids, names, special_ids=SPECIAL_IDS):
    return classes_of(np.array(ids), np.array([CODES[name] for name in names]), special_ids)


@pytest.mark.parametrize("name", [name for name in KEY_CLASSES if name not in SPECIAL_CLASSES])
def test_whatever_stands_first_is_first_unless_it_is_special(name):
    assert classes([100, 100], [name, name]) == ["first", name]
    assert classes([2, 100], [name, name]) == ["cls", name]


def test_one_token_in_two_roles_counts_as_the_first_of_them():
    """GPT-2's <|endoftext|> opens and ends; RoBERTa's <s> is also its [CLS]."""
    assert classes([9], ["word"], {"bos": 9, "cls": 9, "eos": 9}) == ["bos"]
    assert classes([100, 9], ["word"] * 2, {"sep": 9, "eos": 9}) == ["first", "sep"]


def test_special_tokens_count_as_such_wherever_they_stand():
    expected = ["first", *SPECIAL_IDS]
    assert classes([100, *SPECIAL_IDS.values()], ["terminator"] * 6) == expected
