"""A corpus of its own, so small that tokenizers and training take seconds."""

import json
import lzma

import pytest

from sinkscope.zoo import tokenizers, tokens
from sinkscope.zoo.recipes import read_recipes
from small_zoo import RECIPES, VOCABULARY, story


@pytest.fixture(scope="session")
def recipes():
    return read_recipes(RECIPES)


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A folder with corpus/, tokenizers/ and tokens/ of a tiny zoo."""
    folder = tmp_path_factory.mktemp("zoo")
    (folder / "corpus").mkdir()
    texts = {
        "train": [story(i, 60) for i in range(40)],
        "heldout": [story(i, 60) for i in range(100, 108)],
    }
    for name, stories in texts.items():
        with lzma.open(folder / "corpus" / f"{name}.jsonl.xz", "wt", encoding="utf-8") as file:
            for i, text in enumerate(stories):
                file.write(json.dumps({"source": "stories", "name": str(i), "text": text}) + "\n")
    header = "package\tversion\tlicence\tdocuments\tbytes\tbytes_before\theld_out\n"
    row = "stories\t1.0\tCC0-1.0\t48\t100000\t120000\t8\n"
    (folder / "corpus" / "sources.tsv").write_text(header + row)
    tokenizers.make_tokenizers(texts["train"], VOCABULARY, 0, folder / "tokenizers")
    for family in ("gpt2", "opt", "llama", "bert", "roberta", "distilbert", "falcon"):
        out = folder / "tokens" / f"{family}.safetensors"
        tokens.write_stream(
            folder / "corpus" / "train.jsonl.xz", folder / "tokenizers", family, out
        )
    return folder
