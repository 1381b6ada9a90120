"""Where the numbers come from: jobs, versions, and the cells that are missing."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sinkscope.extract.job import failure_path
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
        for shard in grid.shards:
            names = [document.name for document in grid.documents(shard)]
            if (model, shard) in finished:
                there = {entry["document"] for entry in finished[model, shard]["cells"]}
                left = tuple(name for name in names if name not in there)
                found += [Missing(model, left, "not in its job's manifest")] if left else []
            else:
                found += unfinished(grid, directory, model, shard, names)
    return found


def unfinished(
    grid: Grid, directory: Path, model: str, shard: str, names: list[str]
) -> list[Missing]:
    """A job without a manifest: what it or its download says itself."""
    repository = grid.repository(model)
    download = reason(directory, f"lock/{repository}") or reason(
        directory, f"download/{repository}"
    )
    if download:
        return [Missing(model, tuple(names), download)]
    failure = failure_path(manifest_path(directory, model, shard))
    if not failure.is_file():
        why = reason(directory, f"extract/{model}/{shard}") or "no result: its job was not run"
        return [Missing(model, tuple(names), why)]
    told = read_json(failure)
    problems, done = told["problems"], set(told["done"])
    # Sentences about a document begin with it; the others are about the model.
    own = {
        name: [text for text in problems if f"document '{name}'" in text]
        for name in names
        if name not in done
    }
    found = [Missing(model, (name,), " ".join(texts)) for name, texts in own.items() if texts]
    for_all = [text for text in problems if not any(text in texts for texts in own.values())]
    rest = tuple(name for name, texts in own.items() if not texts)
    if rest:
        why = " ".join(for_all) or "its job failed before this document was done"
        found.append(Missing(model, rest, why))
    if done:
        finished = tuple(name for name in names if name in done)
        found.append(Missing(model, finished, "done, but left out until its job succeeds"))
    return found


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
