"""The resources of a job for a scheduler: memory and minutes, from weights, texts and the attempt.

The estimates are conservative. They load nothing, because the workflow computes them whenever it is
read.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

from sinkscope.cluster.parameters import n_parameters
from sinkscope.config import ModelRow
from sinkscope.declarations.registry import experiment
from sinkscope.grid import Grid
from sinkscope.rehearse.needs import MARGIN, needs, operations

BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
CHARACTERS_PER_TOKEN = 3
CPU_TFLOPS, GPU_TFLOPS = 0.02, 20.0
# Float32 activations of a layer per token, in multiples of the width of the model.
WIDTHS = 20
# Start of a job, while its libraries are read from a shared disk.
START_MINUTES = 5
# Largest number of passes of an experiment over the first tokens of a document.
PASSES = 8
# Jobs without a model: MB of the libraries, MB per cell or its rows, and cells per minute.
TABLES_MB, MB_PER_CELL, CELLS_PER_MINUTE = 1000, 0.1, 600


class Requests:
    """Resources of the jobs of a grid. attempt: 1, 2, ...; a repeated job requests more."""

    def __init__(self, grid: Grid, directory: Path) -> None:
        self.grid, self.raw = grid, grid.config.raw
        # Cached, so that each model's files are read once for thousands of jobs.
        self._parameters = cache(lambda row: n_parameters(row, directory) or 0)
        self._n_documents = len(grid.config.documents)
        self._n_characters = max(len(document.text) for document in grid.config.documents)

    def mem_mb(self, model: str, attempt: int) -> int:
        """Memory of any job that runs the model."""
        return attempt * self._shard(model)[0]

    def minutes(self, model: str, attempt: int) -> int:
        """Minutes of an extraction job."""
        return attempt * self._shard(model)[1]

    def measure_minutes(self, name: str, model: str, attempt: int) -> int:
        """Minutes of a job that runs the model over the first tokens of a shard's documents; if an
        experiment reads whole documents, over these, or over those that it chooses of all."""
        declared = experiment(name)
        if declared.tokens is not None:
            return attempt * self._experiment(model)[1]
        if declared.chooses:
            return attempt * self._whole(model, self._n_documents)[1]
        return self.minutes(model, attempt)

    def tables_mb(self, n_models: int, attempt: int) -> int:
        """Memory of a job that reads the cells of n_models models, or tables of these cells."""
        return attempt * round_up(TABLES_MB + MB_PER_CELL * n_models * self._n_documents)

    def tables_minutes(self, n_models: int, attempt: int) -> int:
        busy = n_models * self._n_documents / CELLS_PER_MINUTE
        return attempt * math.ceil(START_MINUTES + MARGIN * busy)

    def _shard(self, model: str) -> tuple[int, int]:
        return self._whole(model, min(self.raw["documents_per_job"], self._n_documents))

    def _whole(self, model: str, n_documents: int) -> tuple[int, int]:
        """MB and minutes of a job over n_documents whole documents, all as long as the longest."""
        n_tokens = math.ceil(self._n_characters / CHARACTERS_PER_TOKEN)
        row = self.grid.config.model(model)
        return self._asks(row, min(n_tokens, row.max_length or n_tokens), n_documents)

    def _experiment(self, model: str) -> tuple[int, int]:
        row = self.grid.config.model(model)
        n_documents = min(self.raw["documents_per_job"], self._n_documents)
        return self._asks(row, self.raw["experiment_tokens"], PASSES * n_documents)

    def _asks(self, row: ModelRow, n_tokens: int, n_documents: int) -> tuple[int, int]:
        """MB and minutes of a job. Layers and width are estimated from the number of parameters:
        the width is 100 times the number of layers, and a layer has 12 * width**2 parameters."""
        n = self._parameters(row)
        width = (100 * n / 12) ** (1 / 3)
        on_gpu = row.device.startswith("cuda")
        flops = 1e12 * (GPU_TFLOPS if on_gpu else CPU_TFLOPS)
        seconds = operations(n, 1, width**2 / 100, n_tokens) / flops
        weights = n * BYTES[row.dtype]
        minutes = START_MINUTES + needs(weights, None, seconds, n_documents).minutes
        activations = 0 if on_gpu else 4 * WIDTHS * width * n_tokens
        estimate = round_up(self.raw["mem_mb"] + (weights + activations) / 1e6)
        return row.mem_mb or estimate, minutes


def round_up(megabytes: float) -> int:
    return math.ceil(megabytes / 100) * 100
