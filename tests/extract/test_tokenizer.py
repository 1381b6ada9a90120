"""The tokenizer of a folder: there, whole, of this model, and able to read the text."""

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoConfig, PreTrainedTokenizerFast

import tiny
from sinkscope.errors import ModelError, SinkscopeError
from sinkscope.extract.encode import encode
from sinkscope.extract.model import load_model
from sinkscope.extract.tokenizer import load_tokenizer


@pytest.mark.parametrize("name", ["bert", "roberta", "opt", "gpt2", "falcon-rotary", "llama"])
def test_a_model_saved_without_its_tokenizer_is_an_error(tmp_path, name):
    """The library invents one for most families."""
    tiny.network(name).save_pretrained(tmp_path / "tiny")
    with pytest.raises(ModelError) as caught:
        load_model(tiny.row(), tmp_path)
    message = str(caught.value)
    assert f"model 'tiny': path:tiny has no tokenizer that can be loaded from {tmp_path}" in message
    assert message.endswith("tokenizer in this folder (tokenizer.save_pretrained).")


@pytest.mark.parametrize(
    "kind", ["albert", "xlm-roberta", "camembert", "gemma", "xlnet", "qwen2", "gpt_neox", "esm"]
)
def test_no_kind_of_tokenizer_is_invented(tmp_path, kind):
    AutoConfig.for_model(kind).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="model 'm': path:x has no tokenizer"):
        load_tokenizer("m", "path:x", str(tmp_path))


@pytest.mark.parametrize("content", [None, "[]", "{"])
def test_a_tokenizer_that_is_damaged_or_gone_is_an_error(tmp_path, content):
    """Also where tokenizer_config.json is there."""
    folder = tiny.save(tmp_path / "tiny")
    (folder / "tokenizer.json").unlink()
    if content:
        (folder / "tokenizer.json").write_text(content)
    with pytest.raises(ModelError, match=r"path:tiny has no tokenizer .*\(.*\); save the model's"):
        load_model(tiny.row(), tmp_path)


def test_a_vocabulary_without_its_merges_is_an_error(tmp_path):
    tiny.CONFIGS["gpt2"].save_pretrained(tmp_path)
    (tmp_path / "vocab.json").write_text('{"h": 0, "e": 1, "he": 2, "<|endoftext|>": 3}')
    with pytest.raises(ModelError, match="path:x has no tokenizer"):
        load_tokenizer("m", "path:x", str(tmp_path))
    (tmp_path / "merges.txt").write_text("#version: 0.2\nh e\n")
    assert load_tokenizer("m", "path:x", str(tmp_path)).tokenize("he") == ["he"]


def test_a_tokenizer_of_another_model_is_an_error_before_any_pass(tmp_path):
    tiny.save(tmp_path / "tiny", "gpt2")
    tiny.network("gpt2", vocab_size=200).save_pretrained(tmp_path / "tiny")
    with pytest.raises(ModelError, match="model 'tiny': its tokenizer has ids up to 257, but the"):
        load_model(tiny.row(), tmp_path)


def test_a_token_added_beyond_the_network_is_an_error_only_where_a_text_has_it(tmp_path):
    folder = tiny.save(tmp_path / "tiny", "gpt2")
    tokenizer = tiny.byte_tokenizer()
    tokenizer.add_tokens(["<extra>"])
    tokenizer.save_pretrained(folder)
    loaded = load_model(tiny.row(), tmp_path)
    assert len(encode(loaded, "essay", "Z abc", truncate=False).ids) == 5
    with pytest.raises(SinkscopeError, match=r"document 'essay': .* id 258 of '<extra>', but the"):
        encode(loaded, "essay", "Z <extra>", truncate=False)


def letters():
    """Unigram without bytes: its unknown token stands for many letters."""
    pieces = ["<unk>", "<pad>", "▁", "▁a", "▁cat", "▁sat", "."]
    backend = Tokenizer(models.Unigram([(piece, -1.0) for piece in pieces], unk_id=0))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", pad_token="<pad>")


def dropping():
    """BPE without an unknown token drops the letters that it does not have."""
    backend = Tokenizer(models.BPE({token: i for i, token in enumerate("acst. _")}, []))
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="_")


@pytest.mark.parametrize(
    ("tokenizer", "name"),
    [(tiny.letter_tokenizer(), "bert"), (letters(), "llama"), (dropping(), "gpt2")],
    ids=["wordpiece", "unigram", "dropping"],
)
def test_a_text_that_is_mostly_unknown_is_an_error_that_says_how_much(tokenizer, name):
    loaded = tiny.loaded(name, tokenizer)
    few = encode(loaded, "essay", "a cat sat. 河水", truncate=False)  # 2 of 10 letters
    assert "a" in [token.strip("▁") for token in few.tokens]
    with pytest.raises(SinkscopeError) as caught:  # 8 of 10
        encode(loaded, "essay", "a 河水在夜 里上涨没.", truncate=False)
    if name != "gpt2":  # what is dropped moves the places that the library tells
        assert str(caught.value) == (
            f"document 'essay': the tokenizer of model '{name}' does not know 80% of its text (the "
            "limit is 50%); its vocabulary lacks this script, or belongs to another "
            "model: leave the cell out, or save the model's own tokenizer in its folder."
        )


def test_a_tokenizer_in_python_counts_its_unknown_tokens(tmp_path):
    folder = tiny.save_tokenizer("esm", tmp_path / "tiny")
    tiny.network("bert").save_pretrained(folder)
    loaded = load_model(tiny.row(), tmp_path)
    assert encode(loaded, "essay", "MKLV 河 AX", truncate=False).tokens[1] == "M"
    with pytest.raises(SinkscopeError, match="does not know 60% of its text"):
        encode(loaded, "essay", "MK 河 水 在", truncate=False)
