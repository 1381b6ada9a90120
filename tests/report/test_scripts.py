"""The report's scripts: their own tests, and, where npm has installed them, type checker and linter
(cd tests/scripts && npm ci)."""

import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "scripts"
STATIC = Path(__file__).parents[2] / "workflow" / "sinkscope" / "report" / "static"
NODE, NPM = shutil.which("node"), shutil.which("npm")
INSTALLED = (FOLDER / "node_modules").is_dir()


def outcome(*command):
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout[-3000:] + done.stderr[-1000:]


@pytest.mark.skipif(NODE is None, reason="No Node.js is installed here.")
def test_the_scripts_pass_their_own_tests():
    code, said = outcome(NODE, "--test")
    assert code == 0, said


def test_a_script_can_be_read_in_one_sitting():
    lengths = {path.name: len(path.read_text().splitlines()) for path in STATIC.glob("*.js")}
    assert {name: n for name, n in lengths.items() if n > 250} == {}


@pytest.mark.skipif(NPM is None or not INSTALLED, reason="npm ci was not run in tests/scripts.")
@pytest.mark.parametrize("check", ["types", "lint"])
def test_the_scripts_pass(check):
    code, said = outcome(NPM, "run", "--silent", check)
    assert code == 0, said
