"""The hash of the code that a job runs: all of it, and nothing else."""

import json
import shutil
import subprocess
import sys

import pytest

from sinkscope.catalogue import sections
from sinkscope.declarations.registry import STATISTICS, measured
from sinkscope.discovery import modules_in
from sinkscope.jobs import code
from sinkscope.shipped import PACKAGE

ENTRIES = {
    "extract": ["sinkscope.extract.job", *modules_in(STATISTICS)],
    **{
        name: ["sinkscope.measure.job", f"sinkscope.experiments.{name}.measure"]
        for name in measured()
    },
    "reduce": ["sinkscope.atlas.job"],
    "claims": ["sinkscope.claims.verdicts"],
    "figures": ["sinkscope.atlas.figures.job", *modules_in("sinkscope.atlas.figures.of_model")],
    "all": ["sinkscope.atlas.figures.job", *modules_in("sinkscope.atlas.figures.of_all")],
    "maps": ["sinkscope.atlas.maps"],
    "report": ["sinkscope.report.build"],
    **{
        f"section {name}": ["sinkscope.charts.section", *modules_in(place.package)]
        for name, place in sections().items()
    },
}
IMPORTS = """
import importlib, json, sys
before = set(sys.modules)
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
print(json.dumps([name for name in sys.modules if name.startswith("sinkscope.")]))
"""


def test_what_a_job_imports_is_in_its_closure():
    """What the interpreter loads, but for packages, is among what was read from the source."""
    everything = sorted({entry for entries in ENTRIES.values() for entry in entries})
    found = subprocess.run(
        [sys.executable, "-c", IMPORTS, json.dumps(everything)], capture_output=True, check=True
    )
    loaded = {name for name in json.loads(found.stdout) if code.path_of(name).name != "__init__.py"}
    closure = code.closure(tuple(everything))
    # What experiments declare counts by its values, which are in the requests.
    declared = code.closure(tuple(modules_in("sinkscope.experiments")))
    assert loaded - set(declared) <= set(closure)
    # And what is imported inside functions.
    assert {"sinkscope.extract.fused", "sinkscope.extract.kernels.launch"} <= set(closure)


def test_a_job_does_not_depend_on_what_it_does_not_run():
    closures = {name: set(code.closure(tuple(entries))) for name, entries in ENTRIES.items()}
    assert "sinkscope.atlas.figures.of_model.heads" in closures["figures"]
    assert (
        "sinkscope.atlas.figures.of_model.heads" not in closures["all"] | closures["section norms"]
    )
    assert "sinkscope.experiments.bos.measure" not in closures["norms"] | closures["extract"]
    for name in ("extract", "reduce", "figures"):
        for other in ("cli", "look", "zoo.train", "jobs.execution", "bench.gpu"):
            assert f"sinkscope.{other}" not in closures[name]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package, to be edited."""
    copied = tmp_path / PACKAGE.name
    shutil.copytree(PACKAGE, copied, ignore=shutil.ignore_patterns("__pycache__", "zoo", "bench"))
    monkeypatch.setattr(code, "ROOTS", (copied,))

    def hash_of(*entries):
        code.forget()
        return code.code_hash(*entries)

    yield copied, hash_of
    code.forget()


def edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize(
    ("module", "old", "new", "changes"),
    [
        ("extract/gpus.py", '"""', '"""Said in another way. ', False),
        ("extract/gpus.py", "\n\n\n", "\n\n\n# A comment.\n\n\n", False),
        ("extract/masks.py", "HIDDEN = torch", "HIDDEN  =  torch", False),
        ("extract/masks.py", "/ 2", "/ 3", True),
        ("extract/kernels/tiles.py", "\n\n\n", "\n\n\nEDITED = 1\n\n\n", True),
        ("keys.py", "\n\n\n", "\n\n\nEDITED = 1\n\n\n", True),
        ("atlas/figures/of_model/sink_rate.py", "\n\n\n", "\n\n\nEDITED = 1\n\n\n", False),
    ],
)
def test_what_the_program_does_counts_and_what_is_said_of_it_does_not(
    package, module, old, new, changes
):
    folder, hash_of = package
    before = hash_of("sinkscope.extract.job")
    edit(folder / module, old, new)
    assert (hash_of("sinkscope.extract.job") != before) == changes


def test_templates_and_scripts_count_for_the_report(package):
    folder, hash_of = package
    report, charts = hash_of("sinkscope.report.build"), hash_of("sinkscope.atlas.figures.job")
    edit(folder / "report/templates/index.html.j2", "<", " <")
    assert hash_of("sinkscope.report.build") != report
    assert hash_of("sinkscope.atlas.figures.job") == charts


def test_an_entry_that_is_not_there_is_an_error():
    with pytest.raises(ModuleNotFoundError, match=r"no module sinkscope\.extract\.nothing"):
        code.code_hash("sinkscope.extract.nothing")
