"""Every architecture is observed as the library computes it, or refused, as
docs/reference/compatibility.md says.

A seeded sample, and those with learned sinks; all with --all-architectures. After a change:
make compatibility.
"""

import random

import pytest
import torch
import transformers

from compatibility.configs import KINDS
from compatibility.decide import BOUND, Verdict, decide
from compatibility.page import PAGE, changes, page, results, versions

LEARNED_SINKS = (
    "deepseek_v4", "flint", "gpt_oss", "granite_swa", "granitemoe_swa", "hy_v4", "inkling2_text",
    "mimo_v2_flash",
)  # fmt: skip
# Kinds of attention whose faults would be silent ones: ALiBi, soft cap, hybrid, encoder, sliding
# window, chunks, sparse masks, shared layers, relative positions in code of its own.
SPECIAL = (
    "albert", "bart", "bloom", "deberta-v2", "deepseek_v32", "falcon", "gemma2", "llama4_text",
    "modernbert", "mpt", "qwen3_next", "zamba2",
)  # fmt: skip
SAMPLE = sorted({*LEARNED_SINKS, *SPECIAL, *random.Random(21).sample(KINDS, 24)})


def pytest_generate_tests(metafunc):
    if "kind" in metafunc.fixturenames:
        every = metafunc.config.getoption("--all-architectures")
        metafunc.parametrize("kind", KINDS if every else SAMPLE)


def is_of_these_versions():
    here = transformers.__version__, torch.__version__.partition("+")[0]
    return versions(PAGE.read_text(encoding="utf-8")) == here


def test_an_architecture_is_observed_as_the_library_computes_it_or_refused(kind):
    verdict = decide(kind)
    assert verdict.result != "differs", verdict
    if is_of_these_versions():
        known = results(PAGE.read_text(encoding="utf-8"))
        assert verdict.result == known[kind], f"{verdict}: make compatibility"
    if verdict.result == "observed":
        assert verdict.error <= (1e-6 if kind in LEARNED_SINKS else BOUND)
        assert 0.05 < verdict.peak < 0.95  # neither even nor all on one key: errors would show
    if verdict.result in ("refused", "no attention"):
        assert verdict.detail.startswith(f"model '{kind}': ")
        assert "; choose" in verdict.detail
    assert ("learned sinks" in verdict.detail) == (kind in LEARNED_SINKS)


def test_the_page_decides_of_nearly_all():
    if not is_of_these_versions():
        pytest.skip("docs/reference/compatibility.md is of other versions")
    known = results(PAGE.read_text(encoding="utf-8"))
    assert sorted(known) == KINDS
    found = list(known.values())
    assert found.count("observed") >= 180
    assert found.count("undecided") <= 10
    assert "differs" not in found


def test_changes_are_named():
    verdicts = [Verdict("a", "observed"), Verdict("b", "refused", "model 'b': it is | so; choose")]
    text = page(verdicts)
    assert "| b | refused | | | it is \\| so |" in text
    assert results(text) == {"a": "observed", "b": "refused"}
    after = {"a": "refused", "c": "observed"}
    assert changes(results(text), after) == [
        "a: observed -> refused", "b: refused -> not there", "c: not there -> observed",
    ]  # fmt: skip
    assert changes(after, after) == []
