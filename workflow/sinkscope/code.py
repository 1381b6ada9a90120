"""Which modules of this package each stage of the workflow runs."""

from __future__ import annotations

import json
from pathlib import Path

from sinkscope.files import sha256_of, write_text

PACKAGE = Path(__file__).parent

# Modules at the top of the package that every stage uses. The command line, the bench and
# `look` are left out: they change how a stage is called, not what it makes.
SHARED = (
    *("config", "documents", "errors", "files", "grid", "keys", "mapping", "printable", "schema"),
    *("spreadsheet", "tsv"),
)

HUB = ("hub/lock.py", "hub/fetch.py")
CLAIMS = (
    *("reduce/claims.py", "reduce/claim_file.py", "reduce/measure.py", "reduce/measures.py"),
    *("reduce/measures_max_keys.py", "reduce/measures_second_sink.py"),
    *("reduce/second_sink.py", "reduce/parts.py"),
)

# What a stage runs beside its own folder and the shared modules.
SCHEMAS = tuple(f"reduce/{name}.py" for name in ("experiments", "schemas", "table"))
REDUCED = (*SCHEMAS, *(f"reduce/{name}.py" for name in ("norms", "second_sink", "states")))
BESIDES = {
    "extract": HUB,
    "experiments": ("reduce/max_keys.py", "reduce/parts.py", *REDUCED),
    "reduce": ("extract/cell.py", "extract/sources.py", *HUB),
    "charts": ("extract/cell.py", *CLAIMS, "reduce/growth.py", *REDUCED),
    "report": ("charts/palette.py", "failures.py", *CLAIMS, *SCHEMAS),
}


def modules(stage: str) -> list[Path]:
    """Files of a stage: a change to one of them makes its results out of date."""
    files = [path for path in (PACKAGE / stage).rglob("*") if path.suffix not in (".pyc", "")]
    own = [path for path in files if path.name != "cli.py"]
    shared = [PACKAGE / f"{name}.py" for name in SHARED]
    return sorted({*own, *shared, *(PACKAGE / path for path in BESIDES[stage])})


def stamp(stage: str, directory: Path) -> Path:
    """A file that says which code a stage runs, written anew when that has changed.

    Jobs depend on it instead of on every module: of thousands of jobs, a scheduler would look at
    each module thousands of times.
    """
    path = directory / "results" / "code" / f"{stage}.json"
    found = {str(module.relative_to(PACKAGE)): sha256_of(module) for module in modules(stage)}
    text = json.dumps(found, indent=1) + "\n"
    if not path.is_file() or path.read_text(encoding="utf-8", errors="replace") != text:
        write_text(path, text)
    return path
