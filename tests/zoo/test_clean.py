"""One spelling, and what counts as prose."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sinkscope.zoo.clean import is_prose, normalise
from sinkscope.zoo.unique import Unique, keys_of

PROSE = "It was the best of times, it was the worst of times, and nobody who lived then knew it."


@given(st.text())
@example("a\u00ad\u0301")  # a soft hyphen between a letter and its accent
@example("\ufe58 \u00b4")  # compatible with a dash, and with a space and an accent
def test_normalising_twice_changes_nothing_more(text):
    once = normalise(text)
    assert normalise(once) == once


@given(st.text())
def test_normalised_text_has_single_spaces_and_plain_signs(text):
    found = normalise(text)
    assert found == " ".join(found.split())
    assert not set(found) & set("\u2018\u2019\u201c\u201d\u2013\u2014\u00a0\u200b\ufeff\n\t")


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126)))
def test_ascii_words_stay_as_they_are(text):
    assert normalise(text) == text


def test_signs_get_one_spelling():
    assert (
        normalise("\u201cIt\u2019s\u201d\u00a0a\u00ad\u200bn\u2014end\u2026\u00b6")
        == '"It\'s" an -- end...'
    )


def test_prose_is_prose():
    assert is_prose(PROSE)
    assert is_prose(PROSE + " Café, naïve.")


@pytest.mark.parametrize(
    "text",
    [
        "Contents of this chapter",
        "for (i = 0; i < n; i++) { a[i] = b[i] + c[i]; } // that is the sum of the two",
        "Alpha Beta Gamma Delta Epsilon Zeta Eta Theta Iota Kappa Lambda Mu Nu Xi Omicron",
        "Es war die beste und die schlechteste aller Zeiten, und niemand wusste etwas davon.",
        "это было лучшее из времён, это было худшее из времён и the of a was",
        PROSE + " " + "x" * 61,
        "",
    ],
)
def test_other_things_are_not(text):
    assert not is_prose(text)


@given(st.text())
def test_the_filter_takes_any_text(text):
    assert is_prose(text) in (True, False)


def test_a_paragraph_is_new_once():
    unique = Unique()
    assert unique.is_new(PROSE)
    assert not unique.is_new(PROSE)
    assert not unique.is_new(PROSE.upper().replace(",", " (12),"))


def test_boilerplate_with_one_new_sentence_is_not_new():
    notice = "This page is part of the manual of a thing. Use it as you like, it costs nothing. "
    unique = Unique()
    assert unique.is_new(notice + "Version twelve of the thing.")
    assert not unique.is_new(notice + "Version fourteen of the thing.")
    assert unique.is_new(PROSE + " Use it as you like, it costs nothing.")


@given(st.text())
def test_texts_share_keys_with_themselves_only(text):
    assert keys_of(text) == keys_of(text + "  ")
    assert keys_of(PROSE).isdisjoint(keys_of("Another sentence that nobody has ever written."))
