"""One experiment on one model: measure it, and write the frames."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import torch

from sinkscope.config import ModelRow
from sinkscope.declarations.registry import experiment
from sinkscope.discovery import load
from sinkscope.documents import Document
from sinkscope.errors import SinkscopeError
from sinkscope.extract.model import Loaded, family_of, threads
from sinkscope.extract.observe import attention_layers
from sinkscope.files import replaced_folder
from sinkscope.measure.passes import Task
from sinkscope.tables.arrays import with_numbers
from sinkscope.tables.contract import write_part

# Fixed, since the order in which float32 numbers are added depends on it. One is enough: most of a
# job is starting up.
THREADS = 1
FAMILIES = ("encoder", "decoder")


# Layers in frames count those with attention: `measured` gives them the model's numbers.
Measure = Callable[[Loaded, Task], dict[str, pl.DataFrame]]


def run(
    name: str,
    row: ModelRow,
    load_model: Callable[[], Loaded],
    documents: Sequence[Document],
    settings: dict[str, Any],
    directory: Path,
    out: Path,
) -> None:
    """Measure one model; frames go to the folder `out`, one Parquet file each. A frame that is not
    measured has no rows; a family that the experiment does not cover is not loaded. Raises
    SinkscopeError if the model cannot be loaded or measured."""
    declared, frames = experiment(name), {}
    if set(declared.families) >= set(FAMILIES) or family_of(row, directory) in declared.families:
        measure = load(f"sinkscope.experiments.{name}.measure").measure
        frames = measured(measure, load_model, Task(tuple(documents), settings))
    with replaced_folder(out) as folder:
        for frame in declared.frames:
            rows = frames.get(frame, pl.DataFrame()).with_columns(model=pl.lit(row.model))
            write_part(rows, name, frame, folder)


def measured(
    measure: Measure, load_model: Callable[[], Loaded], task: Task
) -> dict[str, pl.DataFrame]:
    with threads(THREADS):
        loaded = load_model()
        try:
            frames = measure(loaded, task)
            layers = attention_layers(loaded)
            return {
                name: with_numbers(frame.lazy(), layers).collect() for name, frame in frames.items()
            }
        except torch.OutOfMemoryError as error:  # after a pass; a pass reports it itself
            raise SinkscopeError(
                f"model '{loaded.row.model}': {measure.__module__.split('.')[-2]} ran out of GPU "
                "memory; lower experiment_tokens in the configuration, or give the model a smaller "
                "dtype."
            ) from error
