"""Max keys with the queries at padding, against a batch that is padded as study 1 padded it."""

from collections import Counter
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from transformers import AutoModel, ModernBertConfig

import reference
import tiny
from sinkscope.documents import Document
from sinkscope.errors import SinkscopeError
from sinkscope.experiments.padded.measure import DOCUMENTS, LARGEST, TABLE, measure
from sinkscope.extract.encode import encode
from sinkscope.measure.passes import Task

TEXTS = ["a short one.", "a longer one, which says more than that. much more"]


def task(*texts, truncate=False):
    documents = tuple(Document(f"d{i}", f"d{i}.txt", None, text) for i, text in enumerate(texts))
    return Task(documents, {"truncate": truncate, "tie_tolerance": 0.02})


def small(name, **changes):
    tokenizer = tiny.letter_tokenizer()
    network = tiny.network(name, vocab_size=len(tokenizer))
    return replace(tiny.loaded(name, tokenizer), network=network, **changes)


def measured(loaded, *texts, **options):
    return measure(loaded, task(*texts, **options))[TABLE]


def batch_of(loaded, texts):
    """Attention [document, layer, head, query, key] of a padded batch, what queries see, ids."""
    batch = loaded.tokenizer(
        [f"{text} [MASK]" for text in texts], padding=True, return_tensors="pt"
    )
    with torch.inference_mode(), reference.capture() as captured:
        loaded.network(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
    attention = np.stack([captured.document(i)[0] for i in range(len(texts))])
    visible = np.stack(captured.visible, 1)  # [document, layer, query, key]
    return attention, visible, batch["input_ids"]


def counted(loaded, attention, visible, ids):
    """Token to the number of queries, among those that see a key, whose max key it is."""
    counts = Counter()
    for document, (p, sees) in enumerate(zip(attention, visible, strict=True)):
        keys = reference.max_key(p)[sees.any(-1)]
        counts.update(loaded.tokenizer.convert_ids_to_tokens(ids[document][keys].tolist()))
    return counts


@pytest.mark.parametrize("name", tiny.ENCODERS)
def test_it_counts_what_a_batch_padded_to_its_longest_document_attends_to(name):
    loaded = small(name)
    attention, visible, ids = batch_of(loaded, TEXTS)
    expected = counted(loaded, attention, visible, ids)
    table = measured(loaded, *TEXTS)
    counts = Counter(dict(table.select("token", "count").iter_rows()))
    n_layers, longest = attention.shape[1], ids.shape[1]
    assert counts.total() == expected.total() == n_layers * longest * len(TEXTS)
    unclear = sum((reference.margin(p) < 1e-6).sum() for p in attention)
    assert (counts - expected).total() <= unclear
    assert table["share"].sum() == pytest.approx(1)
    assert "[PAD]" not in counts  # nobody attends to padding


def test_the_counts_of_documents_add_up_to_the_histogram():
    loaded = small("bert")
    attention, visible, ids = batch_of(loaded, TEXTS)
    frames = measure(loaded, task(*TEXTS))
    keys, n_rows = ["token", "key_class"], attention.shape[1] * ids.shape[1]
    of_documents = frames[DOCUMENTS]
    sums = of_documents.group_by(keys).agg(pl.col("count").sum()).sort(keys)
    assert sums.equals(frames[TABLE].select(*keys, "count").sort(keys))
    totals = of_documents.group_by("document").agg(pl.col("count").sum()).sort("document")
    assert totals.rows() == [("d0", n_rows), ("d1", n_rows)]
    alone = counted(loaded, attention[:1], visible[:1], ids)
    found = dict(of_documents.filter(document="d0").select("token", "count").iter_rows())
    unclear = (reference.margin(attention[0]) < 1e-6).sum()
    assert (Counter(found) - alone).total() <= unclear


def test_the_largest_attention_is_that_of_real_queries():
    loaded = small("bert")
    attention, _, ids = batch_of(loaded, TEXTS)
    frame = measure(loaded, task(*TEXTS))[LARGEST].sort("document", "layer")
    real = (ids != loaded.tokenizer.pad_token_id).numpy()
    expected = [
        attention[i].mean(1)[:, real[i]].max((1, 2)) for i in range(len(TEXTS))
    ]  # [document][layer]
    np.testing.assert_allclose(frame["largest"], np.concatenate(expected), rtol=1e-4)
    assert frame["document"].to_list() == ["d0"] * 3 + ["d1"] * 3


def modernbert():
    """Layers 1 and 2 see four tokens to either side, layer 0 everything."""
    tokenizer = tiny.letter_tokenizer()
    shape = ModernBertConfig(
        vocab_size=len(tokenizer), pad_token_id=1, hidden_size=32, intermediate_size=48,
        num_hidden_layers=3, num_attention_heads=4, max_position_embeddings=8192,
        local_attention=8, global_attn_every_n_layers=3, initializer_range=0.3,
        reference_compile=False,
    )  # fmt: skip
    torch.manual_seed(7)
    network = AutoModel.from_config(shape, attn_implementation="sdpa").eval().requires_grad_(False)
    return replace(tiny.loaded("bert", tokenizer), network=network, max_length=8192)


def test_padding_is_as_long_as_the_longest_document_and_queries_that_see_no_key_are_not_counted():
    loaded = modernbert()
    attention, visible, ids = batch_of(loaded, TEXTS)
    blind = (~visible.any(-1)).sum((1, 2))  # [document]
    assert blind[0] > 0 == blind[1]
    table = measured(loaded, *TEXTS)
    assert table["count"].sum() == 3 * ids.shape[1] * 2 - blind.sum()
    expected = counted(loaded, attention, visible, ids)
    assert dict(table.select("token", "count").iter_rows()) == dict(expected)


def test_documents_that_the_atlas_refuses_are_left_out_and_do_not_pad():
    loaded = small("bert")
    long = "a " * 200
    assert measured(loaded, TEXTS[0], long).equals(measured(loaded, TEXTS[0]))
    cut = measured(loaded, TEXTS[0], long, truncate=True)
    assert cut["count"].sum() == 3 * tiny.LONGEST * 2


def test_a_tokenizer_without_padding_is_an_error_only_where_padding_is_needed():
    loaded = small("bert")
    loaded.tokenizer.pad_token = None
    n_tokens = len(encode(loaded, "d0", TEXTS[0], truncate=False).ids)
    assert measured(loaded, TEXTS[0])["count"].sum() == 3 * n_tokens
    with pytest.raises(SinkscopeError, match=r"model 'bert': .*no padding token; set padded"):
        measured(loaded, *TEXTS)
