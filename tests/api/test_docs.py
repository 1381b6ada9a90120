"""The examples of docs/how-to/python.md are run, in order, in one session."""

import re

import tiny

PAGE = "docs/how-to/python.md"


def examples(path):
    """The Python blocks of a file."""
    text = (tiny.ROOT / path).read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def test_every_example_runs(tmp_path, monkeypatch):
    for folder in ("zoo", "config"):
        (tmp_path / folder).symlink_to(tiny.ROOT / folder)
    monkeypatch.chdir(tmp_path)
    found = examples(PAGE)
    assert len(found) >= 10
    names = {"__name__": "__example__"}
    for number, code in enumerate(found):
        exec(compile(code, f"{PAGE}, example {number}", "exec"), names)
