"""Summaries, reduced on the device of the model, against full cells of the same passes."""

from dataclasses import replace

import numpy as np
import pytest

import tiny
from sinkscope.documents import Document
from sinkscope.extract.analyse import Analyser
from sinkscope.extract.batches import Batch
from sinkscope.extract.cell import Cell
from sinkscope.extract.streaming import Workspace
from sinkscope.extract.summaries import begin
from sinkscope.extract.summary.of_cell import summary_of
from sinkscope.extract.summary.part import joined, split

TEXTS = ["a cat sat. it ran off!", "he went", "12 mats, and a cat. so it was, then", "x"]
LOW = {"sink_times": 1.05, "sink_floor": 0.01, "sink_share": 0.4, "sink_queries": 4}
TOLERANCE = 0.3


def analyser(name, **settings):
    tokenizer = tiny.letter_tokenizer() if name in tiny.ENCODERS else tiny.byte_tokenizer()
    network = tiny.network(name, vocab_size=len(tokenizer))
    loaded = replace(tiny.loaded(name, tokenizer), network=network)
    return Analyser(loaded, tiny.settings(window=8, **LOW, **settings), Workspace(loaded.device))


def batch(of, texts=TEXTS, n_tokens=64):
    documents = [Document(f"d{i}", f"d{i}.txt", None, text) for i, text in enumerate(texts)]
    return Batch(documents, of.encode_all(documents), False, n_tokens)


def check_same(one: Cell, other: Cell):
    """Equal to the last bit, apart from the types of integers."""
    assert one.meta == other.meta
    assert set(one.arrays) == set(other.arrays)
    for name in one.arrays:
        a, b = one[name], other[name]
        assert a.shape == b.shape, name
        if a.dtype.kind == "f":
            assert a.dtype == b.dtype, name
        np.testing.assert_array_equal(a, b, err_msg=name)


@pytest.mark.parametrize("rule", ["attention", "state_cosine"])
@pytest.mark.parametrize("name", tiny.NAMES)
def test_a_summary_equals_that_of_the_full_cell(name, rule):
    of = analyser(name, sink_rule=rule)
    made = batch(of)
    full, short = of.analyse_together(made), begin(of, made, TOLERANCE).cells()
    for cell, summary in zip(full, short, strict=True):
        check_same(summary, summary_of(cell, TOLERANCE))
    assert any(len(one["sinks.key"]) for one in short)
    assert sum(one["n_near_ties"].sum() for one in short) > 0
    single = batch(of, TEXTS[:1], None)
    (cell,), (summary,) = of.analyse_together(single), begin(of, single, TOLERANCE).cells()
    check_same(summary, summary_of(cell, TOLERANCE))


def test_documents_of_a_part_come_back_as_they_were():
    of = analyser("llama")
    cells = begin(of, batch(of), TOLERANCE).cells()
    part = joined(cells)
    assert part["n_max"].dtype == np.uint8
    for one, again in zip(cells, split(part.meta, part.arrays), strict=True):
        check_same(one, again)


def test_attention_that_is_not_finite_costs_only_its_document():
    of = analyser("gpt2")
    made = batch(of, ["abc", "azc"])
    letter = of.loaded.tokenizer("z")["input_ids"][0]
    of.loaded.network.wte.weight.data[letter] = np.nan
    good, bad = begin(of, made, TOLERANCE).cells()
    assert good.meta["document"] == "d0"
    assert "document 'd1': model 'gpt2' computes NaN" in str(bad)
