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
    """The text's Marked, and the tokens of the first terminator's place in each of its rows."""
    encoded = encode(tiny.loaded(name, tokenizer), "d", text, truncate=True)
    found = marked(tokenizer, encoded)
    assert found.ids[found.own].tolist() == encoded.ids
    changed = (found.ids != found.ids[found.own]).any(0).nonzero().flatten().tolist()
    assert changed in ([], [found.key])
    return found, [shown(tokenizer, int(row[found.key])) for row in found.ids]


def test_a_mark_is_exchanged_in_the_form_that_it_has():
    tokenizer = tiny.merged_tokenizer((".", '"'), ("!", '"'), (".", "."), ("?", "?"))
    found, tokens = marked_in(tokenizer, 'Z "No." Yes. So')
    assert (found.marks, tokens) == ((".", "!"), ['."', '!"'])
    assert (found.key, found.following) == (5, 10)
    found, tokens = marked_in(tokenizer, "Z no.. Yes? So")
    assert (found.marks, tokens) == ((".", "?"), ["..", "??"])


@pytest.mark.parametrize("kind", ["herbert", "clip", "bertweet"])
def test_a_mark_is_exchanged_whatever_the_tokenizer_puts_around_it(kind, tmp_path):
    """`.</w>` for `!</w>`, `.@@` for `!@@`."""
    name = {"herbert": "bert", "clip": "gpt2", "bertweet": "roberta"}[kind]
    tokenizer = AutoTokenizer.from_pretrained(tiny.save_tokenizer(kind, tmp_path / kind))
    found, tokens = marked_in(tokenizer, "At 3.5. Yes! No", name)
    assert found.marks == (".", "!", "?", ",")
    around = {"herbert": "</w>", "clip": "</w>", "bertweet": ""}[kind]
    assert tokens == [mark + around for mark in found.marks]
    assert (
        encode(tiny.loaded(name, tokenizer), "d", "At 3.5. Yes! No", truncate=True).classes[
            found.following
        ]
        == "terminator"
    )


@pytest.mark.parametrize("mark", ["。", "؟", "।", "…"])
def test_a_mark_of_another_script_is_counted_as_it_is(mark):
    """Its bytes are several tokens: the next terminator is that of the next sentence."""
    found, tokens = marked_in(tiny.byte_tokenizer(), f"Z ab{mark} Cd{mark}")
    n_bytes = len(mark.encode())
    assert (found.marks, found.own, len(tokens)) == ((mark,), 0, 1)
    assert (found.key, found.following) == (4, 4 + n_bytes + 3)


def test_several_marks_in_one_token_are_not_exchanged():
    found, tokens = marked_in(tiny.merged_tokenizer(("?", "!")), "Z no?! Yes")
    assert (found.marks, tokens) == (("!",), ["?!"])
