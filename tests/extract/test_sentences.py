"""Where sentences end, script by script, and what is no end."""

# ruff: noqa: RUF001 (other scripts have look-alikes)
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinkscope.extract.sentences import end_marks, sentence_ends

TEXTS = st.text(alphabet="aBß.。?!…3,-)»\" '\n\u0301河", max_size=30)


@pytest.mark.parametrize(
    "text",
    [
        "He left^. She stayed^.",
        "Why^? Because^! So there^.",
        "Why^? because he did^! and so on",
        "「行く^。」と言った",
        "河水上涨^。没有人睡觉^。",
        "你好^！他走了^？",
        "هل نمت^؟ نعم^.",
        "राम आया^। सीता गई^॥",
        "ምን^፧ እሺ^።",
        "Ինչու^։ Դե",
        "He said “No^.” Then he left^.",
        'He said "no^." Then she left^.',
        "(He left^.) Then she came^.",
        "Wait..^. What^?",
        "Wait^… What^?",
        "Wait... what^?",  # it goes on in lower case
        "Wait. . ^. What^?",
        "Why?^! Because^.",
        "“Why^?” she asked^.",
        "“Stop!”, he said^.",
        "It rose 3.5 percent, to .5^. Good^.",
        "The U.S. Army, e.g. in the U.K. and by J. Smith and É. Roux^.",
        "He lives in the U.S^.",
        "He lives in the U.S^.\nShe does not^.",
        "He can't^. In the 1990s^. He could^.",
        "We chose plan B. Then we left^.",  # the cost of leaving initials out
        "Mr^. Smith",  # what is no single letter is not known to be short for something
        "See example.com or end.Next^. Yes",
        "Apples etc. and pears^.",
        "one line^.\nanother line",
        "so e.g^.\nthis",  # a line end counts as the end of a paragraph
        "all in lower case^. then it ran to example.com^. and e.g. there, etc^. and so on^.",
        "no end",
        "",
    ],
)
def test_sentences_end_at_these_marks(text):
    """^ stands before each mark that ends one."""
    expected, plain = [], ""
    for part in text.split("^")[:-1]:
        plain += part
        expected.append(len(plain))
    plain += text.split("^")[-1]
    assert sentence_ends(plain) == expected


@given(TEXTS)
def test_only_marks_end_sentences_and_of_a_run_the_last(text):
    ends = sentence_ends(text)
    assert ends == sorted(set(ends))
    for end in ends:
        assert end_marks(text[end]) == [text[end]]
        assert not end_marks(text[end + 1 : end + 2])


@given(TEXTS, TEXTS)
def test_a_line_ends_what_is_before_it(one, other):
    """No rule looks over a line end: the lines of a text that has capitals can be read one by
    one."""
    one, other = f"B {one}", f"B {other}"
    ends = [*sentence_ends(one + "\n"), *(len(one) + 1 + at for at in sentence_ends(other))]
    assert sentence_ends(f"{one}\n{other}") == ends


@given(TEXTS)
def test_a_question_mark_between_letters_always_ends_a_sentence(text):
    assert sentence_ends(f"{text}a?b")[-1] == len(text) + 1
