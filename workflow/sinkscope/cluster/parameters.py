"""How many parameters a model has, without loading it: from headers and sizes of its files."""

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

# Formats of weights, the one that is loaded first in front; and the bytes that a parameter takes
# at least, where no header counts them.
LEAST_BYTES = {".safetensors": 2.0, ".bin": 2.0, ".gguf": 0.5, ".onnx": 1.0}


def n_parameters(row: ModelRow, directory: Path) -> int | None:
    """Parameters of a row's model, rather too many; None where its files are not here.

    Files that are missing or broken are no error here: the job that needs them says so.
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
    """Files of a source that is no hub's."""
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
    """Numbers in a safetensors file: its first 8 bytes say how long its JSON header is."""
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > path.stat().st_size:
            raise ValueError(f"{path}: is no safetensors file.")
        header = json.loads(stream.read(length))
    return sum(math.prod(one["shape"]) for name, one in header.items() if name != "__metadata__")


def by_size(sizes: Mapping[str, int]) -> int | None:
    """Most parameters that files of these sizes can hold, in the format that is loaded."""
    for suffix, least in LEAST_BYTES.items():
        found = [size for name, size in sizes.items() if name.endswith(suffix)]
        if found:
            return math.ceil(sum(found) / least)
    return None
