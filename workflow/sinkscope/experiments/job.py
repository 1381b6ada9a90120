"""One experiment on one model: load it, measure, and leave the frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl
import torch

from sinkscope.config import ModelRow
from sinkscope.documents import Document
from sinkscope.errors import SinkscopeError
from sinkscope.experiments.declared import SETTINGS
from sinkscope.experiments.task import Task
from sinkscope.extract.gpus import own_gpus
from sinkscope.extract.model import Loaded, family_of, load_model, threads
from sinkscope.files import replaced_folder, written

# Fixed, since the order in which float32 numbers are added depends on it; most of a job is starting
# up, which uses one.
THREADS = 1


Measure = Callable[[Loaded, Task], dict[str, pl.DataFrame]]


def measure_of(experiment: str) -> Measure:
    """Raises SinkscopeError for an experiment that runs no models."""
    if experiment not in SETTINGS:
        raise SinkscopeError(
            f"no experiment '{experiment}' runs models; those are {', '.join(SETTINGS)}."
        )
    # By name: the code that a job depends on is that of its own experiment.
    return import_module(f"sinkscope.experiments.{experiment}").measure


def run(
    experiment: str,
    row: ModelRow,
    documents: Sequence[Document],
    settings: dict[str, Any],
    directory: Path,
    out: Path,
) -> None:
    """Measure one model; frames go to the folder `out`, a Parquet file each.

    Raises SinkscopeError where that cannot be.
    """
    measure, frames = measure_of(experiment), {}
    # A decoder has no padding to count, and need not be loaded.
    if experiment != "padded" or family_of(row, directory) == "encoder":
        frames = measured(measure, row, Task(tuple(documents), settings), directory)
    with replaced_folder(out) as folder:
        for name, frame in frames.items():
            with written(folder / f"{name}.parquet") as temporary:
                frame.with_columns(model=pl.lit(row.model)).write_parquet(temporary)


def measured(
    measure: Measure, row: ModelRow, task: Task, directory: Path
) -> dict[str, pl.DataFrame]:
    with threads(THREADS), own_gpus(row):
        loaded = load_model(row, directory)
        try:
            return measure(loaded, task)
        except torch.OutOfMemoryError as error:  # in what follows a pass, which says so itself
            raise SinkscopeError(
                f"model '{row.model}': {measure.__module__.rpartition('.')[2]} ran out of GPU "
                "memory; lower experiment_tokens in the configuration, or give the model a smaller "
                "dtype."
            ) from error
