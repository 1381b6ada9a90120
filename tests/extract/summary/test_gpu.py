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
from sinkscope.extract.summaries import begin
from sinkscope.extract.summary.of_cell import summary_of
from sinkscope.shipped import SHIPPED

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


@pytest.mark.parametrize("name", ["gpt2", "roberta", "falcon"])
def test_a_summary_that_a_gpu_reduces_equals_that_of_the_full_cell(name):
    row = tiny.row(model=name, source=f"zoo:{name}", device="cuda")
    loaded = load_model(row, SHIPPED)
    of = Analyser(loaded, tiny.settings(window=64), Workspace(loaded.device))
    texts = [path.read_text(encoding="utf-8") for path in sorted((SHIPPED / "corpus").glob("*"))]
    documents = [
        Document(f"d{i}", f"d{i}.txt", None, text[: 200 * i + 20]) for i, text in enumerate(texts)
    ]
    batch = Batch(documents, [of.encode(one) for one in documents], False, 512)
    for cell, summary in zip(
        of.analyse_together(batch), begin(of, batch, 0.02).cells(), strict=True
    ):
        check_same(summary, summary_of(cell, 0.02))
    assert cell.meta["path"] == "triton"
