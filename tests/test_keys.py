"""Classes and sets of keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinkscope.keys import KEY_CLASSES, LISTED_SETS, key_sets, text_class


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (".", "punctuation"),
        (" ?", "punctuation"),
        ("...", "punctuation"),
        (",", "punctuation"),
        ("?!", "punctuation"),
        ("“", "punctuation"),
        ("$", "punctuation"),
        (" +", "punctuation"),
        ("\n", "newline"),
        (" \n\n", "newline"),
        ("\r\n", "newline"),
        ("\u2029", "newline"),
        (" ", "space"),
        ("\t ", "space"),
        ("\u3000", "space"),
        ("} }", "punctuation"),
        ("🙂", "punctuation"),
        ("☺\ufe0f", "punctuation"),
        ("👩\u200d🚀", "punctuation"),
        ("1\ufe0f\u20e3", "number"),
        ("½", "number"),
        ("Ⅷ", "number"),
        ("१२", "number"),
        ("一", "word"),
        ("हि", "word"),
        ("e\u0301", "word"),
        ("3.5", "word"),
        ("12", "number"),
        (" 7", "number"),
        ("3rd", "word"),
        (" the", "word"),
        ("don't", "word"),
        ("é", "word"),
    ],
)
def test_the_class_of_a_token_is_told_from_its_text(text, expected):
    assert text_class(text) == expected


@pytest.mark.parametrize(
    "text", [".", " ?", "!\n", ' ."', ".)", "...", "?!", "。", "؟", "।", "!\ufe0f"]
)
def test_what_ends_a_sentence_is_a_terminator(text):
    assert text_class(text, ends_sentence=True) == "terminator"


@pytest.mark.parametrize(
    ("text", "expected"), [("no.", "word"), ("3.", "word"), (".5", "word"), (".e\u0301", "word")]
)
def test_a_token_that_also_holds_a_letter_or_digit_is_no_terminator(text, expected):
    assert text_class(text, ends_sentence=True) == expected


ENCODER = ["cls", "word", "terminator", "punctuation", "terminator", "mask", "sep"]
DECODER = ["first", "word", "terminator", "newline", "terminator"]


NOTHING = {name: [] for name in LISTED_SETS}


def test_the_sets_of_an_encoder():
    assert key_sets(ENCODER) == NOTHING | {
        "first_token": [0],
        "first_four": [0, 1, 2, 3],
        "cls": [0],
        "word": [1],
        "sep": [6],
        "mask": [5],
        "special": [0, 5, 6],
        "first_terminator": [2],
        "terminator": [2, 4],
        "punctuation": [3],
        "listed_sinks": [0, 2, 6],
    }


def test_the_sets_of_a_decoder_without_special_tokens():
    assert key_sets(DECODER) == NOTHING | {
        "first_token": [0],
        "first_four": [0, 1, 2, 3],
        "first": [0],
        "word": [1],
        "newline": [3],
        "first_terminator": [2],
        "terminator": [2, 4],
        "listed_sinks": [0, 2],
    }


def test_a_document_of_one_token_has_sets_too():
    there = {name: [0] for name in ("first_token", "first_four", "first", "listed_sinks")}
    assert key_sets(["first"]) == NOTHING | there


@given(st.lists(st.sampled_from(KEY_CLASSES), min_size=1, max_size=30))
def test_sets_are_in_order_and_inside_the_document(classes):
    sets = key_sets(classes)
    assert tuple(sets) == LISTED_SETS
    for positions in sets.values():
        assert positions == sorted(set(positions))
        assert set(positions) <= set(range(len(classes)))
    assert sum(len(sets[name]) for name in KEY_CLASSES) == len(classes)
    assert "mask" not in {classes[i] for i in sets["listed_sinks"]}
    assert len(sets["first_terminator"]) <= 1
