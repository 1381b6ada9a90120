"""The resources of a job for a scheduler: conservative estimates of memory and minutes, from
weights, texts and the attempt. They are computed whenever the workflow is read, and load no
weights."""

import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from safetensors import SafetensorError, safe_open

from sinkscope.config import ModelRow
from sinkscope.declarations.registry import experiment
from sinkscope.errors import SinkscopeError
from sinkscope.extract.sources import files_of, installed, zoo_folder
from sinkscope.grid import Grid
from sinkscope.hub.lock import lock_path, read_lock, repository_of
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

# Formats of weights in the order of loading, each with the smallest number of bytes per parameter.
# The sizes are used if no header has the number of parameters.
LEAST_BYTES = {".safetensors": 2.0, ".bin": 2.0, ".gguf": 0.5, ".onnx": 1.0}


class Requests:
    """Resources of the jobs of a grid. attempt: 1, 2, ...; a repeated job requests more."""

    def __init__(self, grid: Grid, directory: Path) -> None:
        self.grid, self.raw = grid, grid.config.raw
        # Cached, so that each model's files are read once for thousands of jobs.
        self._parameters = cache(lambda row: n_parameters(row, directory) or 0)
        self._n_documents = len(grid.config.documents)
        self._n_characters = max(document.n_characters for document in grid.config.documents)

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
            n_passes = PASSES * min(self.raw["documents_per_job"], self._n_documents)
            row, n_tokens = self.grid.config.model(model), self.raw["experiment_tokens"]
            return attempt * self._asks(row, n_tokens, n_passes)[1]
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


def n_parameters(row: ModelRow, directory: Path) -> int | None:
    """Upper estimate of the parameters of a row's model; None if its files are not here or
    broken."""
    repository = repository_of(row.model, row.source)
    if repository is not None:
        try:
            lock = read_lock(lock_path(directory, repository))
        except SinkscopeError:
            return None
        return by_size(lock.files) if lock else None
    files = [path for path in local_files(row, directory) if path.is_file()]
    headers = [path for path in files if path.suffix == ".safetensors"]
    try:
        if headers:
            return sum(by_header(path) for path in headers)
    except (OSError, SafetensorError):
        return None
    return by_size({str(path): path.stat().st_size for path in files})


def local_files(row: ModelRow, directory: Path) -> list[Path]:
    """Files of a source that is not on the Hub."""
    kind, _, name = row.source.partition(":")
    try:
        if kind == "package":
            return files_of(installed(row.model, name))
        folder = zoo_folder(row.model, name) if kind == "zoo" else directory / name
    except SinkscopeError:
        return []
    return sorted(folder.iterdir()) if folder.is_dir() else []


def by_header(path: Path) -> int:
    """Count of numbers in a safetensors file; no weights are read."""
    with safe_open(path, framework="numpy") as file:
        return sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118


def by_size(sizes: Mapping[str, int]) -> int | None:
    """Largest number of parameters in files of these sizes, in the format that is loaded."""
    for suffix, least in LEAST_BYTES.items():
        of_format = [size for name, size in sizes.items() if name.endswith(suffix)]
        if of_format:
            return math.ceil(sum(of_format) / least)
    return None
