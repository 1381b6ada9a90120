"""Summaries that a GPU reduces."""

import pytest
import torch

import tiny
from extract.summary.test_summary import check_same
from sinkscope.documents import Document
from sinkscope.extract.analyse import Analyser
from sinkscope.extract.batches import Batch
from sinkscope.extract.model import load_model
from sinkscope.extract.streaming import Workspace
from sinkscope.extract.summaries import begin, same
from sinkscope.extract.summary.of_cell import summary_of
from sinkscope.shipped import SHIPPED

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


@pytest.mark.parametrize("name", ["gpt2", "roberta", "falcon"])
def test_a_summary_that_a_gpu_reduces_equals_that_of_the_full_cell(name):
    row = tiny.row(model=name, source=f"zoo:{name}", device="cuda")
    loaded = load_model(row, SHIPPED)
    of = Analyser(loaded, tiny.settings(window=64), Workspace(loaded.device))
    texts = [
        path.read_text(encoding="utf-8") for path in sorted((SHIPPED / "corpus").glob("*.txt"))
    ]
    documents = [
        Document(f"d{i}", f"d{i}.txt", None, text[: 200 * i + 20]) for i, text in enumerate(texts)
    ]
    batch = Batch(documents, of.encode_all(documents), False, 512)
    for cell, summary in zip(
        of.analyse_together(batch), begin(of, batch, 0.02).cells(), strict=True
    ):
        check_same(summary, summary_of(cell, 0.02))
    assert cell.meta["path"] == "triton"


@pytest.mark.parametrize("name", ["gpt2", "roberta", "falcon"])
def test_a_replayed_pass_gives_the_bytes_of_the_launched_one(name):
    row = tiny.row(model=name, source=f"zoo:{name}", device="cuda")
    loaded = load_model(row, SHIPPED)
    replaying = Analyser(loaded, tiny.settings(window=64), Workspace(loaded.device))
    text = (SHIPPED / "corpus" / "short_story.txt").read_text(encoding="utf-8")
    documents = [
        Document(f"d{i}", "texts", i, text[10 * i : 10 * i + 250 + i % 50]) for i in range(48)
    ]
    encoded = replaying.encode_all(documents)
    is_replayed = []
    for start in range(0, 48, 8):
        chosen = slice(start, start + 8)
        batch = Batch(documents[chosen], encoded[chosen], False, 128)
        is_replayed.append(bool(replaying.graphs.shapes))
        # Of a new analyser, whose first pass is launched.
        launched = Analyser(loaded, tiny.settings(window=64), Workspace(loaded.device))
        cells = (begin(one, batch, 0.02).cells() for one in (replaying, launched))
        for one, other in zip(*cells, strict=True):
            assert same(one, other)
    assert is_replayed == [False, False, True, True, True, True] or name == "falcon"
