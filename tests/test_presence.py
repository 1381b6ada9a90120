"""Runs of one folder know of each other, however they end."""

import subprocess
import sys

import pytest

from sinkscope.presence import Presence

STAYS = """
from pathlib import Path
from sinkscope.presence import Presence
here = Presence(Path.cwd())
print(here.alone(), flush=True)
here.stay()
input()
"""


@pytest.fixture
def other(tmp_path):
    """Another run in the folder, and what it said of itself."""
    with subprocess.Popen(
        [sys.executable, "-c", STAYS],
        cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        yield process
        process.kill()


def test_a_run_is_alone_until_it_is_not(tmp_path, other):
    assert other.stdout.readline() == "True\n"
    here = Presence(tmp_path)
    here.stay()  # waits until the other one lets runs in
    assert not here.alone()
    other.kill()
    other.wait()
    assert here.alone()


def test_runs_of_other_folders_do_not_count(tmp_path, other):
    assert other.stdout.readline() == "True\n"
    (tmp_path / "elsewhere").mkdir()
    assert Presence(tmp_path / "elsewhere").alone()


def test_of_two_that_stay_none_is_alone(tmp_path, other):
    assert other.stdout.readline() == "True\n"
    here = Presence(tmp_path)
    here.stay()
    third = Presence(tmp_path)
    assert not third.alone()
    other.kill()
    other.wait()
    assert not third.alone()
    assert here.alone()
