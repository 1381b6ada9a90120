"""Tokens and classes of documents read together, against their definition: one token at a time."""

# ruff: noqa: RUF001 (other scripts have look-alikes)
from collections import Counter
from dataclasses import replace
from unicodedata import category

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import normalizers
from transformers import AutoTokenizer

import tiny
from sinkscope.errors import ModelError, SinkscopeError
from sinkscope.extract.cells import codes_of, members_of
from sinkscope.extract.encode import Encoded, encode, encode_all
from sinkscope.extract.pieces import align, pieces_of, readable, visible
from sinkscope.extract.sentences import sentence_ends
from sinkscope.keys import KEY_CLASSES, LISTED_SETS, SPECIAL_CLASSES, modifies, text_class


def spans_in(tokenizer, ids, text, special):
    """(start, stop) of each token; None without a place in the text."""
    if tokenizer.is_fast:
        output = tokenizer(text, add_special_tokens=special, return_offsets_mapping=True)
        return [span if span[0] < span[1] else None for span in output["offset_mapping"]]
    pieces, specials = pieces_of(tokenizer), set(tokenizer.all_special_ids)
    return align(["" if i in specials else pieces[i].text for i in ids], text)


def unknown_fraction(tokenizer, ids, spans, text):
    if not tokenizer.is_fast:
        of_text = [
            i for i in ids if i == tokenizer.unk_token_id or i not in tokenizer.all_special_ids
        ]
        return of_text.count(tokenizer.unk_token_id) / max(len(of_text), 1)
    known = {
        at
        for i, span in zip(ids, spans, strict=True)
        if span and i != tokenizer.unk_token_id
        for at in range(*span)
    }
    seen = [at for at, char in enumerate(text) if category(char)[0] not in "CZ"]
    return 1 - sum(at in known for at in seen) / len(seen) if seen else 0.0


def characters(piece, span, text):
    """Positions of the characters that a part of characters covers."""
    if not (piece.is_part and span):
        return range(0)
    return range(span[0] + piece.spaces * (text[span[0]] == " "), span[1])


def definition(loaded, text):
    """The tokens of a text, untruncated; None if it must be refused."""
    tokenizer, special = loaded.tokenizer, loaded.row.add_special_tokens != "false"
    mask = tokenizer.mask_token if loaded.family == "encoder" else None
    full_text = f"{text} {mask}" if mask else text
    ids = tokenizer(full_text, add_special_tokens=special)["input_ids"]
    spans = spans_in(tokenizer, ids, full_text, special)
    bos, cls = tokenizer.bos_token_id, tokenizer.cls_token_id
    has_front = bos is None or ids[:1] in ([bos], [cls])
    if loaded.row.add_special_tokens == "true" and not has_front:
        ids, spans = [bos, *ids], [None, *spans]
    if unknown_fraction(tokenizer, ids, spans, text) > 0.5 or max(ids, default=0) >= loaded.n_ids:
        return None
    pieces, ends = [pieces_of(tokenizer)[i] for i in ids], sentence_ends(text)
    places = [characters(*both, full_text) for both in zip(pieces, spans, strict=True)]
    n_parts, n_before = Counter(at for range_ in places for at in range_), Counter()
    tokens, classes = [], []
    for i, (token_id, piece, span) in enumerate(zip(ids, pieces, spans, strict=True)):
        stands_for, shown = piece.text or piece.shown, piece.shown
        if places[i]:
            n_before.update(places[i])
            shown = readable(" " * piece.spaces)
            for at in places[i]:
                part = f"{visible(full_text[at])}[{n_before[at]}/{n_parts[at]}]"
                shown += part if n_parts[at] > 1 else readable(full_text[at])
            stands_for = "".join(full_text[at] for at in places[i])
        if span and all(modifies(char) for char in stands_for):
            start, stop = span
            while start > 0 and modifies(full_text[start]):
                start -= 1
            span, stands_for = (start, stop), full_text[start:stop]
        ends_sentence = (
            any(span[0] <= end < span[1] for end in ends) if span else sentence_ends(stands_for)
        )
        roles = [c for c in SPECIAL_CLASSES if getattr(tokenizer, f"{c}_token_id") == token_id]
        ordinary = text_class(stands_for, ends_sentence=bool(ends_sentence))
        classes.append(roles[0] if roles else "first" if i == 0 else ordinary)
        tokens.append(shown)
    if set(classes) <= set(SPECIAL_CLASSES):
        return None
    return Encoded(ids, tokens, classes, len(ids), gaps_before(spans, full_text))


def gaps_before(spans, text):
    """The characters of a text between each token and those before it."""
    gaps, reached = [], 0
    for start, stop in (span or (0, 0) for span in spans):
        gaps.append(text[reached:start] if start < stop else "")
        reached = max(reached, stop)
    return gaps


def normalised():
    tokenizer = tiny.letter_tokenizer()
    tokenizer.backend_tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKD(), normalizers.Lowercase(), normalizers.StripAccents()]
    )
    return tokenizer


def with_added():
    tokenizer = tiny.merged_tokenizer(("³", "æ"), ("´", "ã"), ("Ġ", "æ"), ("a", "æ"))
    tokenizer.add_tokens(["é", "(c)", "!\u0301"])
    return tokenizer


MADE = {
    "bytes": tiny.byte_tokenizer(),
    "bytes with BOS": tiny.byte_tokenizer(bos="<s>"),
    "merged": with_added(),
    "wordpiece": tiny.letter_tokenizer(),
    "normalised": normalised(),
    "unigram": tiny.word_tokenizer("▁Z", "▁is", "<0x0A>", "▁12", ".", "a", "▁", "é", "?!"),
    "modifiers": tiny.word_tokenizer(*"▁ab.!☺e", "\u0301", "\u200d", "\ufe0f"),
    "fallback": tiny.fallback_tokenizer(),
    "words": tiny.letters_and_words("<s>"),
    "unused ids": tiny.with_unused_ids(),
}
ZOO = ("gpt2", "llama", "opt", "falcon", "roberta", "distilbert", "bert")
IN_FOLDERS = ("herbert", "clip", "esm", "bertweet", "phobert")
WRITTEN = ("[CLS]", "[SEP]", "[MASK]", "[UNK]", "<s>", "</s>", "<|endoftext|>", "<unk>", "<mask>")
PARTS = (
    *(" ", "  ", "\n", "\r\n", "\t", "\u2028", "\u00a0", "\u3000", "\x00", "\u200b", "\ufeff"),
    *(".", "?!", "...", "…", ". . .", "。", "؟", "।", ",", '"', "!\ufe0f", ".\u0301", "．"),
    *(
        "Z",
        "ab",
        "the cat",
        "So. It",
        "e.g. ",
        "3.5",
        "12",
        "１２",
        "½",
        "Ⅷ",
        "۳",
        "É",
        "ß",
        "MKLV",
    ),
    *("e\u0301", "\u0301", "\u200d", "👩\u200d🚀", "☺\ufe0f", "🙂", "1\ufe0f\u20e3", "हि"),
    *("河水", "東京", "\ufffd", "(c)", "é", "▁", "Ġ", "##b", "@@", *WRITTEN),
)
# Tokenizers in Python: the full stop is too far behind the last known token to be searched for.
FAR = "MKLV " + "河" * 80 + ". MKLV"
TEXTS = st.one_of(
    st.lists(st.sampled_from(PARTS), max_size=12).map("".join),
    st.text(st.characters(codec="utf-8"), max_size=12),
    st.tuples(st.sampled_from(PARTS), st.text(st.characters(codec="utf-8"), max_size=6)).map(
        lambda two: "Z ab. " + "".join(two)
    ),
)


@pytest.fixture(scope="module")
def tokenizer_of(tmp_path_factory):
    read = dict(MADE)

    def tokenizer(name):
        if name not in read:
            folder = tiny.ROOT / "zoo" / name
            if name in IN_FOLDERS:
                folder = tiny.save_tokenizer(name, tmp_path_factory.mktemp(name))
            read[name] = AutoTokenizer.from_pretrained(folder)
        return read[name]

    return tokenizer


def agrees(loaded, texts):
    """Documents read together are those of the definition; each refused one has its own error."""
    names = [f"d{i}" for i in range(len(texts))]
    found = encode_all(loaded, list(zip(names, texts, strict=True)), truncate=False)
    for name, text, encoded in zip(names, texts, found, strict=True):
        expected = definition(loaded, text)
        if expected is None:
            assert isinstance(encoded, SinkscopeError)
            assert f"document '{name}'" in str(encoded)
        else:
            assert encoded == expected


@pytest.mark.parametrize("special", ["auto", "true", "false"])
@pytest.mark.parametrize("network", ["gpt2", "bert"])
@pytest.mark.parametrize("name", [*MADE, *ZOO, *IN_FOLDERS])
def test_every_token_is_that_of_the_definition(tokenizer_of, name, network, special):
    loaded = tiny.loaded(network, tokenizer_of(name))
    loaded = replace(loaded, row=tiny.row(add_special_tokens=special), max_length=None)

    @given(st.lists(TEXTS, min_size=1, max_size=5))
    def agree(texts):
        agrees(loaded, texts)

    agree()
    agrees(loaded, [*PARTS, FAR])


@pytest.mark.parametrize("model", ["minilm", "smollm2"])
@given(texts=st.lists(TEXTS, min_size=1, max_size=5))
@settings(max_examples=100)
def test_packaged_models_too(request, model, texts):
    agrees(replace(request.getfixturevalue(model), max_length=None), texts)


def test_one_document_is_read_like_one_of_many(tokenizer_of):
    loaded = replace(tiny.loaded("gpt2", tokenizer_of("gpt2")), max_length=12)
    texts = [("short", "Z ab."), ("long", "Z river. " * 9), ("none", ""), ("after", "Z 河.")]
    for truncate in (True, False):
        found = encode_all(loaded, texts, truncate=truncate)
        assert isinstance(found[1], Encoded) == truncate
        for (name, text), one in zip(texts, found, strict=True):
            if isinstance(one, SinkscopeError):
                with pytest.raises(type(one)) as caught:
                    encode(loaded, name, text, truncate=truncate)
                assert str(caught.value) == str(one)
            else:
                assert encode(loaded, name, text, truncate=truncate) == one


def test_an_error_of_the_model_is_that_of_each_document(tokenizer_of):
    loaded = replace(tiny.loaded("bert", tokenizer_of("bert")), max_length=3)
    found = encode_all(loaded, [("one", "a river"), ("two", "a cat")], truncate=True)
    assert [type(one) for one in found] == [ModelError, ModelError]


@st.composite
def padded_classes(draw):
    """Classes per document, and whether each position is real: documents anywhere in their row."""
    names = st.sampled_from(KEY_CLASSES)
    rows = draw(st.lists(st.lists(names, min_size=1, max_size=9), min_size=1, max_size=4))
    starts = [draw(st.integers(0, 9 - len(row))) for row in rows]
    real = np.zeros((len(rows), 9), bool)
    for flags, start, row in zip(real, starts, rows, strict=True):
        flags[start : start + len(row)] = True
    return rows, torch.from_numpy(real)


def in_set(name, i, classes):
    """Whether token i of a document is in a set of keys."""
    first_terminator = "terminator" in classes and i == classes.index("terminator")
    of_sets = {
        "first_token": i == 0,
        "first_four": i < 4,
        "special": classes[i] in SPECIAL_CLASSES,
        "first_terminator": first_terminator,
        "listed_sinks": classes[i] != "mask"
        and (i == 0 or classes[i] in SPECIAL_CLASSES or first_terminator),
    }
    return of_sets.get(name, classes[i] == name)


@given(padded_classes())
@settings(max_examples=50)
def test_members_are_the_tokens_of_each_set_and_no_padding(drawn):
    rows, real = drawn
    encoded = [Encoded([7] * len(row), ["x"] * len(row), row, len(row)) for row in rows]
    members = members_of(codes_of(encoded, real))
    assert not members[~real].any()
    for row, flags, found in zip(rows, real, members, strict=True):
        expected = [[in_set(name, i, row) for name in LISTED_SETS] for i in range(len(row))]
        assert found[flags].tolist() == expected
