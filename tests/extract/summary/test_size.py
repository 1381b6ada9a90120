"""Bytes that a summary takes."""

import numpy as np
import pytest

from sink_arrays import RULE, sink_arrays
from sinkscope.extract.cell import Cell, write_cell
from sinkscope.extract.summary.of_cell import summary_of
from sinkscope.extract.summary.part import joined
from sinkscope.keys import KEY_SETS

N_LAYERS, N_HEADS, N_TOKENS, WINDOW = 24, 16, 300, 64  # RoBERTa-large
OF_HEADS = ("entropy", "row_sum", "over_half")
TEXT = [*["word"] * 250, *["punctuation"] * 30, *["terminator"] * 12, *["number"] * 5]
# Classes of a document, and sinks of a layer, about as many as in the zoo and in SmolLM2-135M.
KINDS = {
    "encoder": (["bos", *TEXT, "eos", "mask"], 3),
    "decoder": (["first", *TEXT, "newline", "word"], 13),
}


def cell(seed, kind):
    """Random statistics of a document."""
    classes, n_sinks = KINDS[kind]
    rng = np.random.default_rng(seed)

    def numbers(*shape):
        return rng.random(shape, dtype=np.float32)

    arrays = {name: numbers(N_LAYERS, N_HEADS) for name in OF_HEADS}
    arrays |= {name: numbers(N_LAYERS, N_HEADS, 5) for name in ("local", "local_no_sinks")}
    arrays |= {name: numbers(N_LAYERS, len(KEY_SETS)) for name in ("mass", "strict_mass")}
    of_heads = (N_LAYERS, N_HEADS, N_TOKENS)
    arrays |= {name: numbers(*of_heads) for name in ("sink_score", "window_score")}
    arrays |= {name: numbers(N_LAYERS, N_TOKENS) for name in ("max_value", "second_value")}
    counts = np.full((N_LAYERS, N_TOKENS), N_TOKENS, np.int32)
    arrays |= {"n_queries": counts, "n_window_queries": np.full_like(counts, WINDOW)}
    arrays["max_key"] = rng.integers(0, N_TOKENS, (N_LAYERS, N_TOKENS)).astype(np.int32)
    is_sink = np.zeros((N_LAYERS, N_TOKENS), bool)
    is_sink[:, rng.choice(N_TOKENS, n_sinks, replace=False)] = True
    arrays["virtual_sink"] = np.full((N_LAYERS, N_HEADS), np.nan, np.float32)
    arrays |= sink_arrays(is_sink, N_HEADS, np.ones((N_TOKENS, N_TOKENS)))
    meta = {
        "model": "m", "document": f"document-{seed:06d}", "n_tokens_full": N_TOKENS,
        "tokens": [f"token{i}" for i in rng.integers(0, 400, N_TOKENS)],
        "classes": classes, "window": WINDOW, "sink_rule": RULE,
        "is_causal": False, "layers": list(range(N_LAYERS)), "heads": [], "path": "triton",
        "audit": {"layer": 1, "queries": [10, 100, 200], "output_error": 1.25e-7,
                  "row_error": 1.25e-7, "output_bound": 1.25e-5, "row_bound": 1.25e-5},
    }  # fmt: skip
    return Cell(meta, arrays)


@pytest.mark.parametrize("kind", KINDS)
def test_300_tokens_take_at_most_60_kilobytes_for_24_layers_of_16_heads(tmp_path, kind):
    documents = [cell(seed, kind) for seed in range(8)]
    write_cell(tmp_path / "part", joined([summary_of(one, 0.02) for one in documents]))
    of_one = (tmp_path / "part").stat().st_size / len(documents)
    assert 50_000 < of_one < 60_000
    write_cell(tmp_path / "full", documents[0])
    assert (tmp_path / "full").stat().st_size > 20 * of_one
