"""Which files an archive holds, and where.

The archive has the layout of the run's folder, so that its configuration still names its tables and
documents. Inputs from elsewhere are in `inputs/`, the workflow that ran is in `workflow/`.
"""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

import sinkscope
from sinkscope.archive.citation import NAME as CITATION
from sinkscope.documents import Refused
from sinkscope.files import sha256_of
from sinkscope.hub.lock import lock_path, repository_of
from sinkscope.jobs.stamps import files_of, stamps
from sinkscope.jobs.wanted import TABLES, Wanted
from sinkscope.shipped import SHIPPED

RESULTS = ("reports/", f"{TABLES}/")  # of all files that jobs wrote
SNAPSHOT = "results/config.yaml"
OWN = (SNAPSHOT, "config/config.yaml", "config/claims.yaml", "Snakefile", CITATION)
MAIN = "workflow/Snakefile"
LOCK = "requirements.lock"
FOLDERS = ("reports/", "results/", f"{TABLES}/", "workflow/")  # which the metadata names
NOT_CODE = ("__pycache__", "data")
# Where a job or the archive itself puts files.
TAKEN = re.compile(
    r"(reports|results|workflow|inputs)/|(README\.md|versions\.txt|ro-crate-.*|requirements\.lock)$"
)


@dataclass(frozen=True)
class Item:
    """A file of the archive. name: its path there. source: where it is now, or its content.
    shown: its path in the tables of the run, if it is in them."""

    name: str
    source: Path | bytes
    sha256: str
    n_bytes: int
    shown: str = ""


def item(name: str, source: Path, sha256: str | None = None, shown: str = "") -> Item:
    return Item(name, source, sha256 or sha256_of(source), source.stat().st_size, shown)


def written_item(name: str, text: str) -> Item:
    """A file that only the archive has."""
    content = text.encode()
    return Item(name, content, hashlib.sha256(content).hexdigest(), len(content))


@dataclass(frozen=True)
class Contents:
    """results: report and tables. records: stamps of all jobs. configuration: settings, tables of
    models and documents, claims, lock files. code: the workflow and the package."""

    results: list[Item]
    records: list[Item]
    configuration: list[Item]
    documents: list[Item]
    code: list[Item]

    def all(self) -> list[Item]:
        return [
            *(*self.results, *self.records, *self.configuration),
            *(*self.documents, *self.code),
        ]


def contents_of(wanted: Wanted) -> Contents:
    """The files of a run that has passed `check`."""
    directory = wanted.directory
    stamp_files = sorted(stamps(directory))
    hashes = {
        name: sha256
        for stamp in stamp_files
        for name, sha256 in files_of(stamp).items()
        if name.startswith(RESULTS)
    }
    places = places_of(wanted)
    return Contents(
        [item(name, directory / name, sha256) for name, sha256 in sorted(hashes.items())],
        [item(stamp.relative_to(directory).as_posix(), stamp) for stamp in stamp_files],
        configuration_of(wanted, places),
        [item(places[path], directory / path, shown=path) for path in documents_of(wanted)],
        [item(name, path) for name, path in sorted(code().items())],
    )


def configuration_of(wanted: Wanted, places: dict[str, str]) -> list[Item]:
    directory = wanted.directory
    tables = dict.fromkeys([wanted.raw["models"], wanted.raw["documents"]])
    items = [item(places[path], directory / path, shown=path) for path in tables]
    repositories = (repository_of(row.model, row.source) for row in wanted.grid.config.models)
    locks = {lock_path(directory, one) for one in repositories if one}
    own = [path for name in OWN if (path := directory / name).is_file()]
    items += [item(path.relative_to(directory).as_posix(), path) for path in [*own, *sorted(locks)]]
    lock = SHIPPED / LOCK  # a clone has one, an installed package has not
    return [*items, item(LOCK, lock)] if lock.is_file() else items


def documents_of(wanted: Wanted) -> list[str]:
    """Paths of the files that the documents were read from, each once."""
    entries = (one for one in wanted.grid.config.entries if not isinstance(one, Refused))
    return list(dict.fromkeys(one.path for one in entries))


def places_of(wanted: Wanted) -> dict[str, str]:
    """Where the archive has the tables of models and documents, and the documents, by their path in
    the run: there, or in inputs/ if that leads out of the run's folder or is TAKEN."""
    places: dict[str, str] = {}
    for path in (wanted.raw["models"], wanted.raw["documents"], *documents_of(wanted)):
        name = os.path.normpath(path)
        if os.path.isabs(name) or name.startswith("..") or TAKEN.match(name):
            name = f"inputs/{len(places)}-{os.path.basename(name)}"
        places.setdefault(path, name)
    return places


def code() -> dict[str, Path]:
    """The workflow and the code of the package, with what extends it, by path in the archive."""
    workflow = SHIPPED / "workflow"
    files = {MAIN: workflow / "Snakefile"}
    for path in (workflow / "rules").glob("*.smk"):
        files[f"workflow/rules/{path.name}"] = path
    for folder in map(Path, sinkscope.__path__):
        for path in folder.rglob("*"):
            inside = path.relative_to(folder)
            hidden = any(part.startswith(".") or part in NOT_CODE for part in inside.parts)
            if path.is_file() and not hidden:
                files.setdefault(f"workflow/sinkscope/{inside.as_posix()}", path)
    return files
