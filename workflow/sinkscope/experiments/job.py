"""One experiment on one model: load it, measure, and leave the frames."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import torch

from sinkscope.config import Config
from sinkscope.errors import SinkscopeError
from sinkscope.experiments import bos, induction, norms, padded, second_sink
from sinkscope.extract.gpus import own_gpus
from sinkscope.extract.model import Loaded, load_model, threads
from sinkscope.files import replaced_folder, written

# By name, as in the configuration: frames by the name of their file.
MEASURES: dict[str, Callable[[Loaded, Config], dict[str, pl.DataFrame]]] = {
    "induction": induction.measure,
    "second_sink": second_sink.measure,
    "norms": norms.measure,
    "bos": bos.measure,
    "padded": padded.measure,
}


# Fixed, since the order in which float32 numbers are added depends on it; most of a job is starting
# up, which uses one.
THREADS = 1


def run(experiment: str, config: Config, model: str, directory: Path, out: Path) -> None:
    """Measure one model; what was found goes to the folder `out`, a Parquet file a frame.

    Raises SinkscopeError where that cannot be.
    """
    if experiment not in MEASURES:
        raise SinkscopeError(
            f"no experiment '{experiment}' runs models; those are {', '.join(MEASURES)}."
        )
    frames = measured(experiment, config, model, directory)
    with replaced_folder(out) as folder:
        for name, frame in frames.items():
            with written(folder / f"{name}.parquet") as temporary:
                frame.with_columns(model=pl.lit(model)).write_parquet(temporary)


def measured(
    experiment: str, config: Config, model: str, directory: Path
) -> dict[str, pl.DataFrame]:
    row = config.model(model)
    with threads(THREADS), own_gpus(row):
        loaded = load_model(row, directory)
        try:
            return MEASURES[experiment](loaded, config)
        except torch.OutOfMemoryError as error:  # in what follows a pass, which says so itself
            raise SinkscopeError(
                f"model '{model}': {experiment} ran out of GPU memory; lower experiment_tokens in "
                "the configuration, or give the model a smaller dtype."
            ) from error
