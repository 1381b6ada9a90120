"""Figures are modules of a package, drawn in the order that a section declares."""

import pytest

from sinkscope.charts.section import figures_in
from sinkscope.errors import SinkscopeError

DRAWN = "def figure(tables):\n    return tables['{}']\n"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The name of a package with the modules a, b and c, and a test beside them."""
    folder = tmp_path / "drawn_in_a_test"
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.py").write_text(DRAWN.format(name))
    (folder / "test_a.py").write_text("raise AssertionError('no figure')\n")
    monkeypatch.syspath_prepend(tmp_path)
    return folder.name


def test_declared_modules_come_first_and_nothing_to_show_is_left_out(package):
    assert figures_in(package, ["c"], {"a": 1, "b": None, "c": 3}) == [3, 1]
    assert figures_in(package, ["c", "b", "a"], {"a": 1, "b": 2, "c": 3}) == [3, 2, 1]


def test_a_declared_module_that_is_not_there_is_named(package):
    with pytest.raises(
        SinkscopeError, match=f"{package}.other: is declared, but this module does not exist"
    ):
        figures_in(package, ["a", "other"], {})
