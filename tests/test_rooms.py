"""The structure of the package: which folders may load torch, and that none imports another in a
circle."""

import ast
import json
import subprocess
import sys
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter

import pytest

from sinkscope.shipped import PACKAGE

# What runs models; everything else is also for machines, and moments, without torch.
RUNS_MODELS = ("api", "bench", "extract", "kernels", "measure", "rehearse", "zoo")
LOADED = """
import importlib, json, sys
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
    if "torch" in sys.modules or "transformers" in sys.modules:
        sys.exit(f"{name} loads torch")
"""


def modules():
    """Names of all modules without their tests, and their files."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if not path.name.startswith("test_"):
            parts = path.relative_to(PACKAGE).with_suffix("").parts
            yield ".".join((PACKAGE.name, *parts)).removesuffix(".__init__"), path


def measures_only(name):
    """Whether a module of an experiment is none that declares, derives or draws."""
    room, _, part, *_ = [*name.split(".")[1:], "", "", ""]
    return room == "experiments" and part not in ("", "tables", "derive", "figures")


def test_only_what_runs_models_loads_torch():
    light = [
        name
        for name, _ in modules()
        if name.split(".")[1:2] not in [[room] for room in RUNS_MODELS]
        and not measures_only(name)
        and name != "sinkscope.__main__"
    ]
    assert "sinkscope.report.build" in light
    assert "sinkscope.stages.cli" in light
    done = subprocess.run(
        [sys.executable, "-c", LOADED, json.dumps(light)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def imports(name, path, known):
    """Modules of the package that one imports, at the top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sinkscope"):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in known else node.module


def room(name):
    """The folder of a module, or the module itself where it is in none."""
    return name.split(".")[1] if name.count(".") else name


def test_no_module_imports_another_in_a_circle():
    known = dict(modules())
    arrows = {name: set(imports(name, path, known)) - {name} for name, path in known.items()}
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        pytest.fail(f"modules import each other: {' -> '.join(error.args[1])}")


@pytest.fixture(scope="module")
def arrows():
    """Room to the rooms that it imports."""
    known = dict(modules())
    found = defaultdict(set)
    for name, path in known.items():
        found[room(name)] |= {room(other) for other in imports(name, path, known)} - {room(name)}
    return found


def test_no_room_imports_another_in_a_circle(arrows):
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        pytest.fail(f"rooms import each other: {' -> '.join(error.args[1])}")


def test_what_is_declared_does_not_import_what_is_done(arrows):
    """Declarations are read whenever the workflow is, and by every room."""
    assert arrows["declarations"] <= {"discovery", "documents", "errors", "tables"}
    assert arrows["tables"] <= {"errors", "files"}
    assert arrows["statistics"] <= {"declarations", "discovery"}


def test_experiments_do_not_borrow_from_each_other():
    for name, path in modules():
        parts = name.split(".")
        if parts[1:2] == ["experiments"] and len(parts) > 2:
            others = {
                other.split(".")[2]
                for other in imports(name, path, dict(modules()))
                if other.startswith("sinkscope.experiments.")
            }
            assert others <= {parts[2]}, f"{name} imports from the experiments {others}"
