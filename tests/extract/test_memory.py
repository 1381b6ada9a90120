"""Memory that runs out in the middle of a document: smaller blocks, and on."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import tiny
from sinkscope.documents import Document
from sinkscope.errors import SinkscopeError
from sinkscope.extract.batches import Batch
from sinkscope.extract.streaming import LEAST_SHARE

DOCUMENT = Document("d", "d.txt", None, "abc dab cab bad add! dad bac cad abd dca bda cba acd")
TOKENIZER = {"gpt2": tiny.byte_tokenizer, "bert": tiny.letter_tokenizer}


def analyser(name, least):
    """Of a model whose layers run out of memory (the library's error) while the working memory is
    more than `least` of the usual."""
    tokenizer = TOKENIZER[name]()
    network = tiny.network(name, vocab_size=len(tokenizer))
    made = tiny.analyser(replace(tiny.loaded(name, tokenizer), network=network))

    def run_out(*_):
        if made.workspace.share > least:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    layers = made.loaded.network.h if name == "gpt2" else made.loaded.network.encoder.layer
    layers[1].register_forward_pre_hook(run_out)
    return made


@pytest.mark.parametrize("name", ["gpt2", "bert"])
def test_blocks_are_halved_until_a_document_fits_and_stay_so(name, capfd):
    usual, small = analyser(name, 1), analyser(name, 1 / 8)
    expected, cell = usual.analyse(DOCUMENT), small.analyse(DOCUMENT)
    assert small.workspace.share == 1 / 8
    assert usual.workspace.share == 1
    for array, values in expected.arrays.items():
        np.testing.assert_allclose(cell[array], values, rtol=1e-5, atol=1e-7, err_msg=array)
    said = capfd.readouterr().err
    assert said.count("GPU memory ran out on") == 3
    small.analyse(DOCUMENT)
    assert "ran out" not in capfd.readouterr().err


def test_where_the_smallest_blocks_are_too_large_the_document_is_refused():
    made = analyser("gpt2", 0)
    with pytest.raises(SinkscopeError, match="out of GPU memory") as caught:
        made.analyse(DOCUMENT)
    assert "Traceback" not in str(caught.value)
    assert made.workspace.share == LEAST_SHARE


def test_several_documents_are_first_taken_one_by_one():
    made = analyser("gpt2", 1 / 2)
    together = [DOCUMENT, Document("e", "e.txt", None, DOCUMENT.text[::-1])]
    with pytest.raises(SinkscopeError, match="out of GPU memory"):
        made.analyse_together(Batch(together, made.encode_all(together)))
    assert made.workspace.share == 1
