"""Tokenizers in the style of their families, and the corpus as a stream of their tokens."""

import json
import os
import subprocess
import sys

import pytest
from transformers import AutoTokenizer

from sinkscope.zoo.families import FAMILIES
from sinkscope.zoo.tokenizers import make_tokenizers
from sinkscope.zoo.tokens import load_tokenizer, read_stream, wrapping
from small_zoo import story

TEXT = "Z The old man went to the sea. Did he stay?"
STYLE = {
    "distilbert": (["[CLS]"], ["[SEP]"]),
    "bert": (["[CLS]"], ["[SEP]"]),
    "roberta": (["<s>"], ["</s>"]),
    "opt": (["</s>"], []),
    "gpt2": ([], []),
    "falcon": ([], []),
    "llama": (["<s>"], []),
}


@pytest.fixture(params=sorted(FAMILIES))
def family(request):
    return request.param


def test_special_tokens_stand_where_the_family_puts_them(made, family):
    tokenizer = load_tokenizer(made / "tokenizers" / family)
    front, back = wrapping(tokenizer)
    named = tuple(tokenizer.convert_ids_to_tokens(ids) for ids in (front, back))
    assert named == STYLE[family]


def test_a_text_comes_back_from_its_tokens(made, family):
    tokenizer = load_tokenizer(made / "tokenizers" / family)
    ids = tokenizer(TEXT)["input_ids"]
    expected = TEXT.lower() if FAMILIES[family].pieces == "wordpiece" else TEXT
    found = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=True)
    assert found.replace(" ", "") == expected.replace(" ", "")


def test_the_first_full_stop_is_a_token_of_its_own(made, family):
    tokenizer = load_tokenizer(made / "tokenizers" / family)
    pieces = tokenizer.convert_ids_to_tokens(tokenizer(TEXT)["input_ids"])
    assert "." in pieces
    assert "?" in pieces


def test_the_library_finds_the_same_tokenizer_by_itself(made, family):
    folder = made / "tokenizers" / family
    automatic = AutoTokenizer.from_pretrained(folder)
    assert automatic(TEXT)["input_ids"] == load_tokenizer(folder)(TEXT)["input_ids"]


def test_every_document_of_the_stream_begins_with_the_document_token(made, family):
    tokenizer = load_tokenizer(made / "tokenizers" / family)
    stream = read_stream(made / "tokens" / f"{family}.safetensors")
    document_token = getattr(tokenizer, f"{FAMILIES[family].document_token}_token_id")
    assert len(stream.starts) == 40
    assert set(stream.ids[stream.starts].tolist()) == {document_token}
    assert (stream.ids == document_token).sum() == 40
    first = tokenizer.decode(stream.ids[1 : stream.starts[1]].tolist())
    assert len(first.split(".")) > 50


def test_the_same_texts_give_the_same_tokenizers_in_every_process(tmp_path):
    """Many characters and pairs here are equally common: none may be taken by chance."""
    rare = "".join(chr(code) for code in range(0x3B1, 0x3B1 + 300))
    texts = [f"{story(i, 30)} {' '.join(rare)}" for i in range(20)]
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    code = (
        "import json, sys, pathlib; from sinkscope.zoo.tokenizers import make_tokenizers; "
        "folder = pathlib.Path(sys.argv[1]); "
        "texts = json.loads((folder / 'texts.json').read_text()); "
        "make_tokenizers(texts, 700, 0, folder / 'again')"
    )
    make_tokenizers(texts, 700, 0, tmp_path / "once")
    seed = {"PYTHONHASHSEED": "1" if os.environ.get("PYTHONHASHSEED") == "0" else "0"}
    command = [sys.executable, "-c", code, str(tmp_path)]
    subprocess.run(command, env=os.environ | seed, check=True)
    for family in FAMILIES:
        first, second = (
            (tmp_path / name / family / "tokenizer.json").read_bytes() for name in ("once", "again")
        )
        assert first == second, family
