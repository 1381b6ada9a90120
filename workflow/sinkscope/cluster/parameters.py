"""Number of parameters of a model without loading it, from headers and sizes of its files."""

from __future__ import annotations

import importlib.metadata
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path

from sinkscope.config import ModelRow
from sinkscope.errors import SinkscopeError
from sinkscope.hub.lock import NAME, lock_path, read_lock, repository_of
from sinkscope.shipped import SHIPPED

# Formats of weights in the order of loading, each with the smallest number of bytes per parameter.
# The sizes are used if no header has the number of parameters.
LEAST_BYTES = {".safetensors": 2.0, ".bin": 2.0, ".gguf": 0.5, ".onnx": 1.0}


def n_parameters(row: ModelRow, directory: Path) -> int | None:
    """Upper estimate of the parameters of a row's model; None if its files are not here.

    Missing or broken files are not an error here: the job that needs them reports them.
    """
    repository = repository_of(row.model, row.source)
    if repository is not None:
        try:
            lock = read_lock(lock_path(directory, repository))
        except SinkscopeError:
            return None
        return by_size(lock.files) if lock else None
    files = [path for path in local_files(row.source, directory) if path.is_file()]
    headers = [path for path in files if path.suffix == ".safetensors"]
    try:
        if headers:
            return sum(by_header(path) for path in headers)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return by_size({str(path): path.stat().st_size for path in files})


def local_files(source: str, directory: Path) -> list[Path]:
    """Files of a source that is not on the Hub."""
    kind, _, name = source.partition(":")
    if kind == "package":
        try:
            package = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            return []
        return [Path(str(package.locate_file(file))) for file in package.files or []]
    if kind == "zoo" and not re.fullmatch(NAME, name):
        return []
    folder = SHIPPED / "zoo" / name if kind == "zoo" else directory / name
    return sorted(folder.iterdir()) if folder.is_dir() else []


def by_header(path: Path) -> int:
    """Count of numbers in a safetensors file; its first 8 bytes are the length of its header."""
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > path.stat().st_size:
            raise ValueError(f"{path}: is not a safetensors file.")
        header = json.loads(stream.read(length))
    return sum(math.prod(one["shape"]) for name, one in header.items() if name != "__metadata__")


def by_size(sizes: Mapping[str, int]) -> int | None:
    """Largest number of parameters in files of these sizes, in the format that is loaded."""
    for suffix, least in LEAST_BYTES.items():
        of_format = [size for name, size in sizes.items() if name.endswith(suffix)]
        if of_format:
            return math.ceil(sum(of_format) / least)
    return None
