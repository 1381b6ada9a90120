"""The sink rate of whole models, against full matrices: windows, keys that few queries see."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from transformers import AutoModel, MistralConfig

import reference
import tiny
from sinkscope.atlas.derive import tables_of_model
from sinkscope.atlas.limits import Limits
from sinkscope.documents import Document
from sinkscope.extract.model import load_model
from sinkscope.keys import KEY_CLASSES

WINDOW, EPSILON = 10, 0.2
TEXTS = {
    "long": "a cat sat. it was 12 o'clock, and nobody came! so it sat on 3 mats",
    "middle": "a cat. it sat, 7 times",
    "short": "a b.",
}


def sliding():
    """Queries see themselves and the five tokens before."""
    shape = MistralConfig(
        vocab_size=100, hidden_size=48, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=6, num_key_value_heads=2, sliding_window=6, initializer_range=0.2,
        max_position_embeddings=tiny.LONGEST, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    tokenizer = tiny.byte_tokenizer()
    shape.vocab_size = len(tokenizer)
    torch.manual_seed(7)
    network = AutoModel.from_config(shape, attn_implementation="sdpa").eval().requires_grad_(False)
    return replace(tiny.loaded("llama", tokenizer), network=network)


def model(name):
    if name == "mistral":
        return sliding()
    if name == "zoo-roberta":  # a trained one, of which classes behind the window are sinks
        return load_model(tiny.row(name, "zoo:roberta"), tiny.ROOT)
    tokenizer = tiny.letter_tokenizer() if name in tiny.ENCODERS else tiny.byte_tokenizer()
    return replace(
        tiny.loaded(name, tokenizer), network=tiny.network(name, vocab_size=len(tokenizer))
    )


def best(p, visible, classes, key_set, n_queries):
    """[layer, head] best score of the set's keys that more than half of the queries see; None
    without such a key."""
    score = reference.sink_score(p, visible, n_queries)
    found = [
        score[:, :, key]
        for key, name in enumerate(classes)
        if (key == 0 if key_set == "first_token" else name == key_set)
        and visible[:n_queries, key].sum() > min(n_queries, len(classes)) / 2
    ]
    return np.max(found, axis=0) if found else None


@pytest.mark.parametrize("name", ["bert", "zoo-roberta", "llama", "mistral"])
def test_the_rate_equals_the_reference_of_every_class_and_window(name):
    loaded = model(name)
    analyser = tiny.analyser(loaded, window=WINDOW)
    cells, captured = [], {}
    for document, text in TEXTS.items():
        one = Document(document, f"{document}.txt", None, text)
        cell = analyser.analyse(one)
        with reference.capture() as full:
            loaded.network(input_ids=torch.tensor([analyser.encode_all([one])[0].ids]))
        captured[document] = full.document(0)
        cells.append(cell)
    entries = [{"document": cell.meta["document"], "path": "x", "row": None, "n_characters": 1,
                "n_words": 1, "sha256": "0"} for cell in cells]  # fmt: skip
    table = tables_of_model(loaded.facts(), cells, entries, Limits(EPSILON))["sink_rate"].collect()
    n_checked = 0
    for row in table.iter_rows(named=True):
        scores = []
        for cell in cells:
            p, visible = captured[cell.meta["document"]]
            if row["window"] is None or cell.n_tokens >= row["window"]:
                n_queries = row["window"] or cell.n_tokens
                scores.append(best(p, visible, cell.meta["classes"], row["key_set"], n_queries))
        scores = [score[row["layer"]] for score in scores if score is not None]
        assert row["n_documents"] == len(scores), row
        if scores:
            assert row["rate"] == pytest.approx((np.stack(scores) > EPSILON).mean()), row
            n_checked += 1
        else:
            assert row["rate"] is None
    n_layers = loaded.n_layers
    assert table.height == n_layers * 2 * (1 + len(KEY_CLASSES))
    assert n_checked > 4 * n_layers
    assert table.filter(pl.col("rate").is_between(0, 1, closed="none")).height > 0
    whole = table.filter(pl.col("window").is_null(), key_set="first_token")
    # Of the sliding window's documents only the shortest has a key 0 that most queries see.
    assert set(whole["n_documents"]) == {1 if name == "mistral" else 3}
