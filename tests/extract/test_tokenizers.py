"""Tokenizers of other kinds than the default grid's, loaded from a folder as a user's would be."""

# ruff: noqa: RUF001 (other scripts have look-alikes)
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

import tiny
from sinkscope.errors import ModelError
from sinkscope.extract.encode import encode, shown
from sinkscope.extract.model import load_model
from sinkscope.extract.pieces import align, pieces_of
from sinkscope.keys import SPECIAL_CLASSES

NETWORKS = {
    "herbert": "bert", "clip": "gpt2", "esm": "bert", "bertweet": "roberta", "phobert": "roberta",
}  # fmt: skip
BYTES = tiny.byte_tokenizer()
FALLBACK = tiny.fallback_tokenizer()


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """load(kind): the model of a folder with a tokenizer of this kind, loaded once."""
    models_ = {}

    def load(kind):
        if kind not in models_:
            folder = tiny.save_tokenizer(kind, tmp_path_factory.mktemp(kind))
            tiny.network(NETWORKS[kind], vocab_size=600).save_pretrained(folder)
            models_[kind] = load_model(tiny.row(kind, f"path:{folder}"), folder)
        return models_[kind]

    return load


def read(model, text):
    """(token, class) of the text's tokens; special ones left out."""
    found = encode(model, "essay", text, truncate=False)
    pairs = zip(found.tokens, found.classes, strict=True)
    return [(token, name) for token, name in pairs if name not in SPECIAL_CLASSES]


def of(tokenizer, text):
    """The same of a decoder."""
    return read(tiny.loaded("gpt2", tokenizer), text)


def test_tokens_that_mark_the_end_of_their_word(loaded):
    assert read(loaded("herbert"), 'no "So." 3.5, a') == [
        ("n", "word"), ("o</w>", "word"), ('"</w>', "punctuation"), ("S", "word"),
        ("o</w>", "word"), (".</w>", "terminator"), ('"</w>', "punctuation"), ("3</w>", "number"),
        (".</w>", "punctuation"), ("5</w>", "number"), (",</w>", "punctuation"), ("a</w>", "word"),
    ]  # fmt: skip
    assert read(loaded("herbert"), "So. No!")[-3:] == [
        ("N", "word"), ("o</w>", "word"), ("!</w>", "terminator"),
    ]  # fmt: skip


def test_bytes_that_mark_the_end_of_their_word(loaded):
    assert read(loaded("clip"), "河水. 3")[2:] == [
        ("河[3/3]", "word"), ("水[1/3]", "word"), ("水[2/3]", "word"), ("水[3/3]", "word"),
        (".</w>", "terminator"), ("3</w>", "number"),
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["bertweet", "phobert"])
def test_tokens_that_mark_the_continuation_of_their_word(loaded, kind):
    assert not loaded(kind).tokenizer.is_fast
    assert read(loaded(kind), 'so." 3.5, No!') == [
        ("s@@", "word"), ("o@@", "word"), (".@@", "terminator"), ('"', "punctuation"),
        ("3@@", "number"), (".@@", "punctuation"), ("5@@", "number"), (",", "punctuation"),
        ("N@@", "word"), ("o@@", "word"), ("!", "terminator"),
    ]  # fmt: skip


def test_proteins(loaded):
    assert read(loaded("esm"), "MK.L-") == [
        ("M", "word"), ("K", "word"), (".", "punctuation"), ("L", "word"), ("-", "punctuation"),
    ]  # fmt: skip


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_sentence_ends_at_the_same_place_for_every_tokenizer(loaded, kind):
    """Unknown tokens and what a tokenizer drops do not move the ends of sentences."""
    pairs = read(loaded(kind), "MK.X AX. 🙂🙂 AL.")
    dots = [name for token, name in pairs if token.startswith(".")]
    assert dots == ["punctuation", "terminator", "terminator"]


CHINESE = "河水在夜里上涨 没有人睡觉 老人数着钟点 東京"


@pytest.mark.parametrize("tokenizer", [BYTES, FALLBACK], ids=["byte alphabet", "byte fallback"])
def test_a_text_of_letters_has_no_punctuation_and_no_number(tokenizer):
    pairs = of(tokenizer, f"Z {CHINESE}")[1:]
    assert {name for _, name in pairs} == {"word", "space"}
    assert len(pairs) == 3 * (len(CHINESE) - 3) + 3 + 1
    assert [token for token, _ in pairs[1:4]] == ["河[1/3]", "河[2/3]", "河[3/3]"]


@pytest.mark.parametrize("tokenizer", [BYTES, FALLBACK], ids=["byte alphabet", "byte fallback"])
@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("é", ["word"] * 2),
        ("हि", ["word"] * 6),  # a letter and its vowel sign
        ("e\u0301", ["word"] * 3),
        ("。", ["terminator"] * 3),
        ("۳", ["number"] * 2),
        ("½", ["number"] * 2),
        ("一", ["word"] * 3),
        ("🙂", ["punctuation"] * 4),
        ("👩\u200d🚀", ["punctuation"] * 11),
        ("☺\ufe0f", ["punctuation"] * 6),
        ("\u00a0", ["space"] * 2),
        ("\u3000", ["space"] * 3),
        ("\u2028", ["newline"] * 3),
    ],
)
def test_parts_have_the_class_of_their_character(tokenizer, text, names):
    assert [name for _, name in of(tokenizer, f"Z{text}")][1:] == names


def test_parts_are_shown_with_their_character():
    assert [token for token, _ in of(BYTES, "Ze\u0301\u200d\u00a0")] == [
        "Z", "e", "◌\u0301[1/2]", "◌\u0301[2/2]",
        "U+200D[1/3]", "U+200D[2/3]", "U+200D[3/3]", "U+00A0[1/2]", "U+00A0[2/2]",
    ]  # fmt: skip


def test_a_piece_of_a_space_and_the_first_bytes_of_a_character():
    assert of(tiny.merged_tokenizer(("Ġ", "æ")), "Z 河.") == [
        ("Z", "first"), ("▁河[1/3]", "word"), ("河[2/3]", "word"), ("河[3/3]", "word"),
        (".", "terminator"),
    ]  # fmt: skip


def test_a_piece_of_the_end_of_one_character_and_the_start_of_the_next():
    """河 is E6 B2 B3, 水 is E6 B0 B4, 。 is E3 80 82: B3 E6 and B4 E3 are one piece each."""
    assert of(tiny.merged_tokenizer(("³", "æ"), ("´", "ã")), "Z河水。") == [
        ("Z", "first"), ("河[1/3]", "word"), ("河[2/3]", "word"),
        ("河[3/3]水[1/3]", "word"), ("水[2/3]", "word"),
        ("水[3/3]。[1/3]", "word"), ("。[2/3]", "terminator"), ("。[3/3]", "terminator"),
    ]  # fmt: skip


def test_a_piece_of_a_whole_character_and_a_part_of_another():
    assert of(tiny.merged_tokenizer(("a", "æ")), "Za河")[1:3] == [
        ("a河[1/3]", "word"),
        ("河[2/3]", "word"),
    ]


def test_the_replacement_character_is_a_character():
    tokenizer = tiny.merged_tokenizer(("ï", "¿"), ("ï¿", "½"))
    assert of(tokenizer, "Z\ufffd") == [("Z", "first"), ("\ufffd", "punctuation")]


def test_an_added_token_is_read_as_it_is_written():
    """`é` alone would be the stand-in for the byte E9."""
    tokenizer = tiny.merged_tokenizer(("³", "æ"))
    tokenizer.add_tokens(["é", "(c)"])
    assert of(tokenizer, "Zé(c)") == [("Z", "first"), ("é", "word"), ("(c)", "word")]


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20))
def test_bytes_and_byte_fallback_read_every_text_alike(text):
    """Both cut what is not ASCII into bytes: the classes are those of the same characters."""
    text = "Z" + text.replace("\u2581", "")  # SentencePiece's own sign for a space
    wide = "".join(char for char in text if not char.isascii())
    assert [pair for pair in of(BYTES, f"Z{wide}") if "[" in pair[0]] == [
        pair for pair in of(FALLBACK, f"Z{wide}") if "[" in pair[0]
    ]


@given(st.text(alphabet="aZ .3\n河é", min_size=1, max_size=20))
def test_a_whole_token_is_shown_alike_in_a_text_and_in_the_vocabulary(text):
    for tokenizer in (BYTES, FALLBACK):
        found = encode(tiny.loaded("gpt2", tokenizer), "essay", f"Z{text}", truncate=False)
        for token_id, token in zip(found.ids, found.tokens, strict=True):
            if "[" not in token:
                assert shown(tokenizer, token_id) == token


@pytest.mark.parametrize(("kind", "token"), [("herbert", ".</w>"), ("bertweet", "t@@")])
def test_decorations_are_shown_but_not_read(loaded, kind, token):
    tokenizer = loaded(kind).tokenizer
    token_id = tokenizer.convert_tokens_to_ids(token)
    assert shown(tokenizer, token_id) == token
    assert pieces_of(tokenizer)[token_id].text == token[0]


def test_another_prefix_than_bert_s():
    tokens = ["[UNK]", "a", "@b", "@.", "##", "##b"]
    model = models.WordPiece(
        {token: i for i, token in enumerate(tokens)}, unk_token="[UNK]",
        continuing_subword_prefix="@",
    )  # fmt: skip
    backend = Tokenizer(model)
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]")
    assert of(tokenizer, "a ## ##b ab.") == [
        ("a", "first"), ("##", "punctuation"), ("##b", "word"),
        ("a", "word"), ("@b", "word"), ("@.", "terminator"),
    ]  # fmt: skip


def test_a_text_that_is_normalised_keeps_its_places():
    """The tokens are of the normalised text, the ends of sentences of the text itself."""
    tokenizer = tiny.letter_tokenizer()
    tokenizer.backend_tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKD(), normalizers.Lowercase(), normalizers.StripAccents()]
    )
    assert read(tiny.loaded("bert", tokenizer), "É１．５ … Ab． C") == [
        ("e", "word"), ("##1", "number"), (".", "punctuation"), ("5", "number"),
        *[(".", "terminator")] * 3,
        ("a", "word"), ("##b", "word"), (".", "terminator"), ("c", "word"),
    ]  # fmt: skip


class Bytewise(tiny.EsmTokenizer):
    """A tokenizer in Python that cuts characters into bytes, each written as a letter."""

    def _tokenize(self, text, **kwargs):
        return list(text.encode().decode("latin-1"))

    def convert_tokens_to_string(self, tokens):
        return "".join(tokens).encode("latin-1").decode(errors="replace")


def test_a_tokenizer_in_python_that_cuts_characters_is_one_sentence(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(["<cls>", "<unk>", "x", "a", "Ã", "©"]), encoding="utf-8")
    model = tiny.loaded("gpt2", Bytewise(str(path)))
    with pytest.raises(ModelError, match=r"model 'gpt2': its tokenizer \(Bytewise\) splits"):
        encode(model, "essay", "é", truncate=False)


@given(st.lists(st.text(alphabet="aé.河 ß", max_size=4), max_size=12))
def test_pieces_are_found_where_they_were_cut(parts):
    """Whatever case and accents a tokenizer drops; white space is in no piece."""
    spans = align([part.upper().replace("É", "E") for part in parts], "".join(parts))
    at = 0
    for part, span in zip(parts, spans, strict=True):
        bare = part.strip(" ")
        if bare:
            start = at + part.index(bare[0])
            assert span == (start, start + len(bare))
        else:
            assert span is None
        at += len(part)


def test_a_piece_that_is_not_in_the_text_moves_no_other():
    text = "so :) it goes. " + "and on " * 20 + "HTTPURL"
    assert align(["so", "HTTPURL", "it", "goes", "."], text) == [
        (0, 2), None, (6, 8), (9, 13), (13, 14),
    ]  # fmt: skip
