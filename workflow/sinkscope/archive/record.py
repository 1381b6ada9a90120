"""The record of a run, from the stamps of its jobs: times, versions, and models."""

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata
from typing import Any

from sinkscope.errors import SinkscopeError
from sinkscope.files import read_object
from sinkscope.hub.lock import lock_path, read_lock, repository_of
from sinkscope.jobs.stamps import stamps
from sinkscope.jobs.wanted import Wanted
from sinkscope.report.about import card_address
from sinkscope.report.provenance import manifests

# Packages that numbers and figures depend on; `versions.txt` has all that were installed.
PACKAGES = (
    *("sinkscope", "snakemake", "numpy", "polars", "safetensors", "tokenizers"),
    *("altair", "vl-convert-python", "pillow", "jinja2"),
)


@dataclass(frozen=True)
class Model:
    """A model of the run. revision: a commit, or a package's version and a hash. licence: from its
    card or package; None if unknown here."""

    name: str
    source: str
    revision: str
    url: str | None
    licence: str | None
    facts: dict[str, Any]


@dataclass(frozen=True)
class Record:
    """started: None if a job's stamp does not state it. software: versions by package; several
    versions of one package if jobs ran with different ones. installed: all packages, when the
    report was written."""

    commit: str
    started: str | None
    ended: str
    software: list[tuple[str, str]]
    installed: dict[str, str]
    models: list[Model]


def record_of(wanted: Wanted) -> Record:
    """Raises SinkscopeError if the report was written by a version that recorded no times."""
    stamp = wanted.directory / wanted.report().stamp
    report = read_object(stamp)
    if "ended" not in report or "versions" not in report:
        raise SinkscopeError(
            f"{stamp}: lacks the time at which the report was written; delete it and run "
            "snakemake, which writes the report again."
        )
    starts = [read_object(path).get("started") for path in stamps(wanted.directory)]
    known = [start for start in starts if start is not None]
    finished = manifests(wanted)
    of_jobs = {
        (name, version)
        for manifest in finished.values()
        for name, version in manifest["job"]["versions"].items()
    }
    installed = report["versions"]
    of_report = {(name, installed[name]) for name in PACKAGES if name in installed}
    facts = {model: manifest["model"] for (model, _), manifest in finished.items()}
    return Record(
        report["request"]["commit"],
        min(known) if len(known) == len(starts) else None,
        report["ended"],
        sorted(of_jobs | of_report),
        installed,
        [model(wanted, one) for one in facts.values()],
    )


def model(wanted: Wanted, facts: dict[str, Any]) -> Model:
    """facts: of a manifest, as in the table `models`."""
    source, revision = facts["source"], facts["revision"]
    kind, _, name = source.partition(":")
    url, licence = card_address(source), None
    if repository := repository_of(facts["model"], source):
        lock = read_lock(lock_path(wanted.directory, repository))
        licence, url = lock.licence if lock else None, f"{url}/tree/{revision}"
    elif kind == "package":
        licence = licence_of_package(name)
    elif kind == "zoo":
        licence = "Apache-2.0"  # that of Sinkscope, which trained it
    return Model(facts["model"], source, revision, url, licence, facts)


def licence_of_package(name: str) -> str | None:
    """As its metadata states it; None if it does not, or is not installed here."""
    try:
        stated = metadata(name)
    except PackageNotFoundError:
        return None
    fields = ("License-Expression", "License")
    return next((stated[field] for field in fields if stated[field]), None)
