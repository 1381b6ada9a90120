"""The examples in docs/how-to/attention_statistics.md are run, in order, as one session."""

import sys
import types

import tiny
from api.test_docs import examples

PATH = "docs/how-to/attention_statistics.md"


def test_every_example_runs(tmp_path, monkeypatch):
    (tmp_path / "zoo").symlink_to(tiny.ROOT / "zoo")
    monkeypatch.chdir(tmp_path)
    session = types.ModuleType("__example__")
    monkeypatch.setitem(sys.modules, session.__name__, session)  # FlexAttention imports it
    found = examples(PATH)
    assert len(found) == 5
    for number, code in enumerate(found):
        exec(compile(code, f"{PATH}, example {number}", "exec"), vars(session))
