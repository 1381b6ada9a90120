"""Where the numbers come from: jobs, versions, and the cells that are missing."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from typing import Any

from sinkscope.declarations.found import measured
from sinkscope.files import read_json
from sinkscope.grid import Grid
from sinkscope.jobs.failures import reason
from sinkscope.jobs.wanted import Wanted

PACKAGES = ("sinkscope", "polars", "altair", "vl-convert-python", "pillow", "jinja2")


NOT_RUN = "no result: its job was not run"


@dataclass(frozen=True)
class Missing:
    """Documents of one model that have no result, for the same reason."""

    model: str
    documents: tuple[str, ...]
    reason: str


def model_names(grid: Grid) -> list[str]:
    """All models of the configuration, in its order, with results or without."""
    return [row.model for row in grid.config.models]


def manifests(wanted: Wanted) -> dict[tuple[str, str], dict[str, Any]]:
    """(model, shard) to the manifest of its job, for the jobs that finished."""
    requests = {
        (model, shard): wanted.extract(model, shard)
        for model in model_names(wanted.grid)
        for shard in wanted.grid.shards
    }
    return {
        key: read_json(wanted.directory / request.stamp)
        for key, request in requests.items()
        if wanted.is_made(request)
    }


def missing(wanted: Wanted) -> list[Missing]:
    """Cells of the grid that no manifest lists, in the order of the grid."""
    found: list[Missing] = []
    grid, finished = wanted.grid, manifests(wanted)
    for model in model_names(grid):
        found += [Missing(model, (entry.name,), entry.reason) for entry in grid.refused]
        for shard in grid.shards:
            if (model, shard) in finished:
                found += [
                    Missing(model, (entry["document"],), entry["reason"])
                    for entry in finished[model, shard]["missing"]
                ]
            else:
                found += unfinished(wanted, model, shard)
    return found


def unfinished(wanted: Wanted, model: str, shard: str) -> list[Missing]:
    """Why a job left no manifest, as it or its download says itself; documents of the same reason
    together."""
    repository = wanted.grid.repository(model)
    own = wanted.extract(model, shard).log
    jobs = [*([f"lock/{repository}", f"download/{repository}"] if repository else []), own]
    of_reason: dict[str, list[str]] = {}
    for document in wanted.grid.documents(shard):
        reasons = (reason(wanted.directory, job, document.name) for job in jobs)
        why = next((why for why in reasons if why), NOT_RUN)
        of_reason.setdefault(why, []).append(document.name)
    return [Missing(model, tuple(names), why) for why, names in of_reason.items()]


def failed_experiments(wanted: Wanted) -> list[dict[str, str]]:
    """experiment, model and reason of every part that an experiment could not measure."""
    parts = [
        (experiment, model, wanted.measure(experiment, model, shard))
        for experiment in measured()
        if wanted.grid.runs(experiment)
        for model in model_names(wanted.grid)
        for shard in wanted.grid.shards_of(experiment)
    ]
    found = [
        {"experiment": experiment, "model": model, "reason": why}
        for experiment, model, request in parts
        if (why := reason(wanted.directory, request.log)) is not None
    ]
    return [entry for i, entry in enumerate(found) if entry not in found[:i]]


def jobs(finished: dict[tuple[str, str], dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the table of jobs: run time, memory, device and documents of each."""
    return [
        {"model": model, "shard": shard, "n_documents": len(manifest["cells"]), **manifest["job"]}
        for (model, shard), manifest in finished.items()
    ]


def versions(finished: dict[tuple[str, str], dict[str, Any]]) -> dict[str, str]:
    """Package to version; extraction jobs may have run with several."""
    of_jobs: dict[str, set[str]] = {}
    for manifest in finished.values():
        for name, version in manifest["job"]["versions"].items():
            of_jobs.setdefault(name, set()).add(version)
    here = {name: importlib.metadata.version(name) for name in PACKAGES if _installed(name)}
    return {name: ", ".join(sorted(found)) for name, found in of_jobs.items()} | here


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
