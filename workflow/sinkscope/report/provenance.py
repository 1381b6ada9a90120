"""Where the numbers come from: jobs, versions, and the cells that are missing."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sinkscope.failures import reason
from sinkscope.files import read_json
from sinkscope.grid import Grid, manifest_path

PACKAGES = ("sinkscope", "polars", "altair", "vl-convert-python", "pillow", "jinja2")


@dataclass(frozen=True)
class Missing:
    """Documents of one model that have no result, for the same reason."""

    model: str
    documents: tuple[str, ...]
    reason: str


def model_names(grid: Grid) -> list[str]:
    """All models of the configuration, in its order, with results or without."""
    return [row.model for row in grid.config.models]


def manifests(grid: Grid, directory: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """(model, shard) to the manifest of its job, for the jobs that finished."""
    paths = {
        (model, shard): manifest_path(directory, model, shard)
        for model in model_names(grid)
        for shard in grid.shards
    }
    return {key: read_json(path) for key, path in paths.items() if path.is_file()}


def missing(grid: Grid, directory: Path) -> list[Missing]:
    """Cells of the grid that no manifest lists, in the order of the grid."""
    found: list[Missing] = []
    finished = manifests(grid, directory)
    for model in model_names(grid):
        found += [Missing(model, (entry.name,), entry.reason) for entry in grid.refused]
        for shard in grid.shards:
            names = [document.name for document in grid.documents(shard)]
            if (model, shard) in finished:
                found += [
                    Missing(model, (entry["document"],), entry["reason"])
                    for entry in finished[model, shard]["missing"]
                    if entry["document"] in names
                ]
            else:
                why = unfinished(grid, directory, model, shard)
                found.append(Missing(model, tuple(names), why))
    return found


def unfinished(grid: Grid, directory: Path, model: str, shard: str) -> str:
    """Why a job left no manifest: what it or its download says itself."""
    repository = grid.repository(model)
    jobs = (f"lock/{repository}", f"download/{repository}", f"extract/{model}/{shard}")
    found = (reason(directory, job) for job in jobs)
    return next((why for why in found if why), "no result: its job was not run")


def failed_experiments(grid: Grid, directory: Path) -> list[dict[str, str]]:
    """experiment, model and reason of every part that an experiment could not measure."""
    parts = [
        (experiment, model, reason(directory, f"{experiment}/{model}{part}"))
        for experiment in (*grid.config.raw["experiments"], "padded")
        if grid.runs(experiment)
        for model in model_names(grid)
        for part in ("", *(f"/{shard}" for shard in grid.shards))
    ]
    return [
        {"experiment": experiment, "model": model, "reason": why}
        for experiment, model, why in parts
        if why is not None
    ]


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
