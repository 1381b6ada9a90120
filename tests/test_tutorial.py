"""The page docs/tutorial/index.md: its blocks are run from the page itself, from top to bottom.

`python` blocks share a session. A `yaml` block is written to the file that its first line names.
The lines of a `text` block are lines of the output of the block before it.
"""

import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

import forked
import tiny

PAGE = "docs/tutorial/index.md"
BLOCK = re.compile(r"```(sh|python|yaml|text)\n(.*?)```", re.DOTALL)


class Reader:
    """Somebody who follows a page. said: the output of the last block."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        commands = os.pathsep.join([str(forked.clients()), str(Path(sys.executable).parent)])
        monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setenv("PYTHONPATH", str(tiny.ROOT / "workflow"))
        monkeypatch.chdir(folder)
        self.names = {"__name__": "__tutorial__"}
        self.monkeypatch, self.said = monkeypatch, ""

    def sh(self, text: str) -> None:
        """Run commands; the folder that they change to is that of the next block."""
        read, write = os.pipe()
        done = subprocess.run(
            ["bash", "-c", f"set -e\n{text}\npwd >&{write}"], pass_fds=[write], check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        os.close(write)
        assert done.returncode == 0, f"{text}\n{done.stdout}"
        with os.fdopen(read) as folder:
            self.monkeypatch.chdir(folder.read().strip())
        self.said = done.stdout

    def python(self, text: str) -> None:
        with contextlib.redirect_stdout(io.StringIO()) as said:
            exec(compile(text, PAGE, "exec"), self.names)
        self.said = said.getvalue()

    def yaml(self, text: str) -> None:
        name = text.splitlines()[0].removeprefix("# ")
        Path(name).write_text(text, encoding="utf-8")

    def text(self, text: str) -> None:
        said = [" ".join(line.split()) for line in self.said.splitlines()]
        for line in text.splitlines():
            assert " ".join(line.split()) in said, f"the page says {line!r}; the output is {said}"


@pytest.fixture
def reader(tmp_path, monkeypatch):
    return Reader(tmp_path, monkeypatch)


def test_the_page_runs_from_top_to_bottom(reader, tmp_path):
    blocks = BLOCK.findall((tiny.ROOT / PAGE).read_text(encoding="utf-8"))
    assert len(blocks) > 15
    for kind, text in blocks:
        getattr(reader, kind)(text)
    study = tmp_path / "attention-study"
    masses = pl.read_parquet(study / "results/tables/sink_mass.parquet")
    assert masses["document"].n_unique() == 30
    pages = {path.stem for path in (study / "reports").glob("*.html")}
    assert {"index", "mine", "second_sink", "induction", "claims"} <= pages
    assert "my plan for this afternoon" in (study / "reports/claims.html").read_text()
    assert "first_token" in (tmp_path / "compare.html").read_text()
    assert "mine" in (study / "report.html").read_text()


@pytest.mark.parametrize(
    ("kind", "text", "sentence"),
    [
        ("sh", "sinkscope look --model zoo:none --text Z", "sinkscope: "),
        ("text", "layer 0: 0.99", "the page says 'layer 0: 0.99'"),
    ],
)
def test_a_page_that_is_wrong_fails(reader, kind, text, sentence):
    with pytest.raises(AssertionError, match=sentence):
        getattr(reader, kind)(text)
