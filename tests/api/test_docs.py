"""The examples of docs/how-to/python.md and the README are run, in order, one session per file."""

import re

import pytest

import tiny


def examples(path, heading=None):
    """The Python blocks of a file, below one heading."""
    text = (tiny.ROOT / path).read_text(encoding="utf-8")
    if heading is not None:
        text = text[text.index(heading) :].partition("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize(
    ("path", "heading", "n_least"),
    [("docs/how-to/python.md", None, 10), ("README.md", "## In Python", 1)],
)
def test_every_example_runs(path, heading, n_least, tmp_path, monkeypatch):
    for folder in ("zoo", "config"):
        (tmp_path / folder).symlink_to(tiny.ROOT / folder)
    monkeypatch.chdir(tmp_path)
    found = examples(path, heading)
    assert len(found) >= n_least
    names = {"__name__": "__example__"}
    for number, code in enumerate(found):
        exec(compile(code, f"{path}, example {number}", "exec"), names)
