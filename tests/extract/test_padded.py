"""Documents of several lengths in one padded pass: what each of them gets when it runs alone."""

from dataclasses import replace

import numpy as np
import pytest

import tiny
from sinkscope.documents import Document
from sinkscope.extract.analyse import Analyser
from sinkscope.extract.batches import Batch
from sinkscope.extract.model import Loaded
from sinkscope.extract.streaming import Workspace

TEXTS = ["a cat sat. it ran off!", "he went", "12 mats, and a cat. so it was, then"]
LOW = {"sink_times": 1.05, "sink_floor": 0.01, "sink_share": 0.4, "sink_queries": 4}


def documents(texts=TEXTS):
    return [Document(f"d{i}", f"d{i}.txt", None, text) for i, text in enumerate(texts)]


def small(name):
    tokenizer = tiny.letter_tokenizer() if name in tiny.ENCODERS else tiny.byte_tokenizer()
    network = tiny.network(name, vocab_size=len(tokenizer))
    loaded: Loaded = replace(tiny.loaded(name, tokenizer), network=network)
    return Analyser(loaded, tiny.settings(window=8, **LOW), Workspace(loaded.device))


def together(analyser, texts, n_tokens=64):
    made = documents(texts)
    encoded = analyser.encode_all(made)
    return analyser.analyse_together(Batch(made, encoded, False, n_tokens))


@pytest.mark.parametrize("name", tiny.NAMES)
def test_a_document_gets_what_it_gets_alone(name):
    analyser = small(name)
    for cell, document in zip(together(analyser, TEXTS), documents(), strict=True):
        alone = analyser.analyse(document)
        assert set(alone.arrays) - set(cell.arrays) == {"map", "head_map", "coarse_map"}
        of_pass = {"heads": [], "audit": {}, "gaps": []}
        assert cell.meta | of_pass == alone.meta | of_pass
        for array in cell.arrays:
            if array == "max_key":  # two keys within rounding may change places
                best = alone["max_value"] - alone["second_value"] > 1e-5
                np.testing.assert_array_equal(cell[array][best], alone[array][best])
            else:
                np.testing.assert_allclose(cell[array], alone[array], 1e-4, 1e-6, err_msg=array)
        assert alone["is_sink"].any()


@pytest.mark.parametrize("name", ["bert", "llama"])
def test_no_result_depends_on_the_documents_that_share_a_pass(name):
    analyser = small(name)
    first = together(analyser, TEXTS)[0]
    for others in (TEXTS[:1], [TEXTS[0], *TEXTS[1:] * 2], [TEXTS[0], "x"]):
        cell = together(analyser, others)[0]
        for array in first.arrays:
            np.testing.assert_array_equal(cell[array], first[array], err_msg=array)
