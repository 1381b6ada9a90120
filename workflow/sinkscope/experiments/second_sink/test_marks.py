"""The first terminator of a document is exchanged for other marks, token for token."""

import pytest
from transformers import AutoTokenizer

import tiny
from sinkscope.extract.encode import encode, shown
from sinkscope.measure.marks import marked

TEXT = "Z the cat, it sat. Did it? Yes."


def test_the_mark_is_exchanged_and_nothing_else():
    loaded = tiny.loaded("gpt2", tiny.byte_tokenizer())
    encoded = encode(loaded, "d", TEXT, truncate=True)
    text = marked(loaded.tokenizer, encoded)
    assert text.marks == (".", "!", "?", ",")
    assert text.own == 0
    assert text.key == TEXT.index(".")
    assert text.following == TEXT.index("?")
    assert text.ids[0].tolist() == encoded.ids
    changed = (text.ids != text.ids[0]).sum(1).tolist()
    assert changed == [0, 1, 1, 1]
    assert loaded.tokenizer.decode(text.ids[3]) == TEXT.replace(".", ",", 1)
    exclaimed = marked(loaded.tokenizer, encode(loaded, "d", "Who? Me.", truncate=True))
    assert (exclaimed.own, exclaimed.key) == (2, 3)
    unfinished = encode(loaded, "d", "no end", truncate=True)
    assert marked(loaded.tokenizer, unfinished) is None


def marked_in(tokenizer, text, name="gpt2"):
    """The text's Marked, and the tokens at the first terminator's position in each of its rows."""
    encoded = encode(tiny.loaded(name, tokenizer), "d", text, truncate=True)
    text_marks = marked(tokenizer, encoded)
    assert text_marks.ids[text_marks.own].tolist() == encoded.ids
    changed = (text_marks.ids != text_marks.ids[text_marks.own]).any(0).nonzero().flatten().tolist()
    assert changed in ([], [text_marks.key])
    return text_marks, [shown(tokenizer, int(row[text_marks.key])) for row in text_marks.ids]


def test_a_mark_is_exchanged_in_the_form_that_it_has():
    tokenizer = tiny.merged_tokenizer((".", '"'), ("!", '"'), (".", "."), ("?", "?"))
    text, tokens = marked_in(tokenizer, 'Z "No." Yes. So')
    assert (text.marks, tokens) == ((".", "!"), ['."', '!"'])
    assert (text.key, text.following) == (5, 10)
    text, tokens = marked_in(tokenizer, "Z no.. Yes? So")
    assert (text.marks, tokens) == ((".", "?"), ["..", "??"])


@pytest.mark.parametrize("kind", ["herbert", "clip", "bertweet"])
def test_a_mark_is_exchanged_whatever_the_tokenizer_puts_around_it(kind, tmp_path):
    """`.</w>` for `!</w>`, `.@@` for `!@@`."""
    name = {"herbert": "bert", "clip": "gpt2", "bertweet": "roberta"}[kind]
    tokenizer = AutoTokenizer.from_pretrained(tiny.save_tokenizer(kind, tmp_path / kind))
    text, tokens = marked_in(tokenizer, "At 3.5. Yes! No", name)
    assert text.marks == (".", "!", "?", ",")
    around = {"herbert": "</w>", "clip": "</w>", "bertweet": ""}[kind]
    assert tokens == [mark + around for mark in text.marks]
    assert (
        encode(tiny.loaded(name, tokenizer), "d", "At 3.5. Yes! No", truncate=True).classes[
            text.following
        ]
        == "terminator"
    )


@pytest.mark.parametrize("mark", ["。", "؟", "।", "…"])
def test_a_mark_of_another_script_is_counted_as_it_is(mark):
    """Its bytes are several tokens: the next terminator is that of the next sentence."""
    text, tokens = marked_in(tiny.byte_tokenizer(), f"Z ab{mark} Cd{mark}")
    n_bytes = len(mark.encode())
    assert (text.marks, text.own, len(tokens)) == ((mark,), 0, 1)
    assert (text.key, text.following) == (4, 4 + n_bytes + 3)


def test_several_marks_in_one_token_are_not_exchanged():
    text, tokens = marked_in(tiny.merged_tokenizer(("?", "!")), "Z no?! Yes")
    assert (text.marks, tokens) == (("!",), ["?!"])
