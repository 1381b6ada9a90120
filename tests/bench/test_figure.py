"""What was measured on a GPU, as the documentation shows it."""

import json

import pytest

from sinkscope.bench.figure import as_markdown, read_measured, write_figure
from sinkscope.errors import SinkscopeError


def row(n_tokens, way, ratio, peak=10.0):
    return {
        "model": "Large", "batch": 1, "n_tokens": n_tokens, "way": way, "ratio": ratio,
        "median_ms": ratio and 20 * ratio, "peak_gib": peak, "above_gib": peak and peak - 10.0,
    }  # fmt: skip


@pytest.fixture
def found():
    return {
        "device": "GPU", "torch": "2.0", "triton": "3.0", "transformers": "5.0", "rounds": 5,
        "rows": [
            row(2048, "forward", 1.0), row(2048, "sinkscope", 1.25, 10.5),
            row(2048, "output_attentions", 3.0, 30.0),
            row(4096, "forward", 1.0), row(4096, "sinkscope", 1.5, 11.0),
            row(4096, "output_attentions", None, None),
        ],
    }  # fmt: skip


def test_a_row_a_case_and_what_does_not_fit_is_said(found):
    measured, *_, first, second = as_markdown(found).splitlines()
    assert measured.startswith("One GPU, torch 2.0, Triton 3.0, transformers 5.0; ")
    assert "medians of 5 interleaved rounds" in measured
    assert first == "| Large | 1 x 2,048 | 20.0; 10.00 | 1.25x; +0.50 GiB |  | 3.00x; +20.00 GiB |"
    assert second == "| Large | 1 x 4,096 | 20.0; 10.00 | 1.50x; +1.00 GiB |  | out of memory |"


def test_what_was_aimed_at_stands_beside_what_was_measured(found):
    known = [{**one, "model": "Llama-2-7B"} for one in found["rows"]]
    first = as_markdown(found | {"rows": known}).splitlines()[-2]
    assert "| 1.25x; +0.50 GiB | 1.05x | 3.00x" in first


def test_table_and_figure_are_written(found, tmp_path):
    (tmp_path / "bench.json").write_text(json.dumps(found))
    write_figure(tmp_path / "bench.json", tmp_path / "docs")
    assert (tmp_path / "docs/bench_gpu.md").read_text() == as_markdown(found)
    assert (tmp_path / "docs/bench_gpu.png").read_bytes().startswith(b"\x89PNG")
    drawn = (tmp_path / "docs/bench_gpu.svg").read_text()
    assert "observed by Sinkscope" in drawn
    assert "output_attentions, then the same reductions" in drawn


def test_missing_measurements_are_named(tmp_path):
    with pytest.raises(SinkscopeError, match="run `sinkscope bench gpu`"):
        read_measured(tmp_path / "none.json")
