"""Every architecture is observed as the library computes it, or refused, as
docs/reference/compatibility.md says.

A seeded sample, and those with learned sinks; all with --all-architectures. After a change:
make compatibility.
"""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import transformers
import yaml

from compatibility.configs import KINDS
from compatibility.decide import BOUND, Verdict, decide
from compatibility.page import PAGE, changes, page, results, versions
from tiny import ROOT

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
    after = [
        Verdict("a", "refused", "model 'a': it is so"),
        Verdict("c", "observed", "its encoder"),
    ]
    assert changes(results(text), after) == [
        "a: observed -> refused (model 'a': it is so)", "b: refused -> not there",
        "c: not there -> observed",
    ]  # fmt: skip
    assert changes(results(page(after)), after) == []


def weekly_step(name):
    steps = yaml.safe_load((ROOT / ".github/workflows/weekly.yml").read_text())["jobs"]["newest"]
    return next(step["run"] for step in steps["steps"] if step.get("name") == name)


@pytest.mark.parametrize(
    ("of_bert", "of_fnet", "lines", "status"),
    [
        ("observed", "no attention", ["- no result changed"], 0),
        ("refused", "no attention", ["- bert: refused -> observed"], 0),
        (
            "observed", "observed",
            ["- fnet: observed -> no attention (model 'fnet': FNetModel has no attention"], 1,
        ),
    ],
)  # fmt: skip
def test_the_weekly_job_names_what_changed_and_fails_where_something_is_lost(
    tmp_path, of_bert, of_fnet, lines, status
):
    """The step of the workflow itself, over two architectures and a page with a planted result."""
    known = tmp_path / "known.md"
    known.write_text(page([Verdict("bert", of_bert, "x"), Verdict("fnet", of_fnet, "x")]))
    program = f"from pathlib import Path; from compatibility.__main__ import main; main(['bert', 'fnet'], Path({str(known)!r}))"  # noqa: E501
    step = weekly_step("Compare every architecture")
    assert " -m compatibility " in step
    step = step.replace("-m compatibility", f'-c "{program}"')
    step = step.replace("PYTHONPATH=workflow:tests ", "")
    paths = os.pathsep.join([str(ROOT / "workflow"), str(ROOT / "tests")])
    commands = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    summary = tmp_path / "summary.md"
    done = subprocess.run(
        ["bash", "-e", "-c", step], cwd=tmp_path, check=False, capture_output=True, text=True,
        env=os.environ | {
            "GITHUB_STEP_SUMMARY": str(summary), "PYTHONPATH": paths, "PATH": commands,
        },
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    said = summary.read_text().splitlines()
    assert said[0].startswith(f"transformers {transformers.__version__}, torch ")
    assert len(said[2:]) == len(lines)
    assert all(one.startswith(line) for one, line in zip(said[2:], lines, strict=True))
    assert results(known.read_text()) == {"bert": "observed", "fnet": "no attention"}
