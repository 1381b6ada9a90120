"""Provenance of the numbers: jobs, versions, and missing cells."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from sinkscope.declarations.registry import measured
from sinkscope.files import read_json
from sinkscope.jobs.failures import reason
from sinkscope.jobs.wanted import Wanted
from sinkscope.version import installed

PACKAGES = ("sinkscope", "polars", "altair", "vl-convert-python", "pillow", "jinja2")
NOT_RUN = "no result: its job was not run"


@dataclass(frozen=True)
class Missing:
    """Documents of one model without a result, for the same reason."""

    model: str
    documents: tuple[str, ...]
    reason: str


def manifests(wanted: Wanted) -> dict[tuple[str, str], dict[str, Any]]:
    """Manifest by (model, shard), for the finished extraction jobs."""
    requests = {
        (model, shard): wanted.extract(model, shard)
        for model in wanted.grid.cells
        for shard in wanted.grid.shards
    }
    return {
        key: read_json(wanted.directory / request.stamp)
        for key, request in requests.items()
        if wanted.is_made(request)
    }


def missing(wanted: Wanted) -> list[Missing]:
    """Cells of the grid that no manifest lists, in the order of the grid."""
    missing_cells: list[Missing] = []
    grid, finished = wanted.grid, manifests(wanted)
    for model in grid.cells:
        missing_cells += [Missing(model, (entry.name,), entry.reason) for entry in grid.refused]
        for shard in grid.shards:
            if (model, shard) in finished:
                missing_cells += [
                    Missing(model, (entry["document"],), entry["reason"])
                    for entry in finished[model, shard]["missing"]
                ]
            else:
                missing_cells += unfinished(wanted, model, shard)
    return missing_cells


def unfinished(wanted: Wanted, model: str, shard: str) -> list[Missing]:
    """The documents of a job without a manifest, grouped by the reason that the job or its download
    recorded."""
    repository = wanted.grid.repository(model)
    extract_log = wanted.extract(model, shard).log
    jobs = [*([f"lock/{repository}", f"download/{repository}"] if repository else []), extract_log]
    of_reason: dict[str, list[str]] = {}
    for document in wanted.grid.documents(shard):
        reasons = (reason(wanted.directory, job, document.name) for job in jobs)
        why = next((why for why in reasons if why), NOT_RUN)
        of_reason.setdefault(why, []).append(document.name)
    return [Missing(model, tuple(names), why) for why, names in of_reason.items()]


def failed_experiments(wanted: Wanted) -> list[dict[str, str]]:
    """experiment, model and reason of each part that could not be measured."""
    parts = [
        (experiment, model, wanted.measure(experiment, model, shard))
        for experiment in measured()
        if wanted.grid.runs(experiment)
        for model in wanted.grid.cells
        for shard in wanted.grid.shards_of(experiment)
    ]
    failures = [
        {"experiment": experiment, "model": model, "reason": why}
        for experiment, model, request in parts
        if (why := reason(wanted.directory, request.log)) is not None
    ]
    return [entry for i, entry in enumerate(failures) if entry not in failures[:i]]


def jobs(finished: dict[tuple[str, str], dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the table of jobs: run time, speed, memory, device, number of documents, and mean
    size of a summary. The speed includes the start and cells that were finished before."""
    rows = []
    for (model, shard), manifest in finished.items():
        sizes = [entry.get("cell_bytes") for entry in manifest["cells"]]
        known = [size for size in sizes if size is not None]
        seconds = manifest["job"]["seconds"]
        row = {"model": model, "shard": shard, "n_documents": len(sizes), **manifest["job"]}
        row["documents_per_second"] = len(sizes) / seconds if seconds else None
        row["bytes_per_document"] = sum(known) / len(known) if known else None
        rows.append(row)
    return rows


def audit(models: pl.DataFrame) -> dict[str, Any] | None:
    """Number of audited rows, and of each error the largest with its model; None without models.
    models: the table."""
    if models.is_empty():
        return None
    errors = ("output_error", "row_error")
    worst = {
        name: models.sort(name, "model", descending=[True, False]).row(0, named=True)
        for name in errors
    }
    return {
        "n_rows": models["n_audited"].sum(),
        "errors": {name: (row[name], row["model"]) for name, row in worst.items()},
    }


def versions(finished: dict[tuple[str, str], dict[str, Any]]) -> dict[str, str]:
    """Version by package; several versions if extraction jobs ran with different ones."""
    of_jobs: dict[str, set[str]] = {}
    for manifest in finished.values():
        for name, version in manifest["job"]["versions"].items():
            of_jobs.setdefault(name, set()).add(version)
    here = {name: number for name in PACKAGES if (number := installed(name))}
    return {name: ", ".join(sorted(numbers)) for name, numbers in of_jobs.items()} | here
