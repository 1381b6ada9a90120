"""Weights in other formats (GGUF, ONNX), converted to safetensors once and cached per user: GGUF
takes tens of seconds to dequantise, and transformers cannot load ONNX.
"""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock
from safetensors import SafetensorError

from sinkscope.errors import PassingError, SinkscopeError
from sinkscope.extract.sources import TOKENIZER, Weights
from sinkscope.files import PART, read_json, sha256_of, share, write_json

LAYOUT = "1"  # increase when the content of a converted folder changes
SUMS = "sha256.json"  # of a converted folder: file name to SHA-256

# Returns the network and the tokenizer of a file; the model's name is for error messages.
Reader = Callable[[str, Path], tuple[Any, Any]]


def reader_of(path: Path) -> tuple[Reader, tuple[Path, ...]]:
    """The reader for the format of a file, and the other files in its folder that it reads."""
    if path.suffix == ".onnx":
        from sinkscope.extract.onnx_distilbert import read_onnx

        return read_onnx, (path.with_name(TOKENIZER),)
    return read_gguf, ()


def read_gguf(model: str, path: Path) -> tuple[Any, Any]:
    """The network (float32, dequantised exactly) and the tokenizer. Raises like the library."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    loaded = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name)
    config = loaded.config
    # A plain model of the same class: the loaded one counts as quantised, and cannot be saved.
    del config.quantization_config
    plain = type(loaded)(config)
    plain.load_state_dict(loaded.state_dict())
    return plain, tokenizer


def cache_folder() -> Path:
    """SINKSCOPE_CACHE, or the platform's usual place. Raises SinkscopeError without a home
    directory."""
    if folder := os.environ.get("SINKSCOPE_CACHE"):
        return Path(folder)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sinkscope"
    except RuntimeError as error:
        raise SinkscopeError(
            "no home directory to keep weights in; set SINKSCOPE_CACHE to a writable folder."
        ) from error


def as_safetensors(model: str, weights: Weights) -> Weights:
    """The same weights, dequantised exactly (float32), as a folder with a tokenizer; a damaged
    folder is made again. Raises SinkscopeError if the cache cannot be written or ONNX weights
    cannot be converted, and what the library raises for GGUF that it cannot read."""
    if weights.convert is None:
        return weights
    source = Path(weights.location) / weights.convert
    read, beside = reader_of(source)
    folder = cache_folder() / "models" / f"{source.stem}-{_key(source, beside)}"
    if not is_whole(folder):  # an existing folder is only read: the cache may be another user's
        lock = FileLock(f"{folder}.lock")
        with cache_errors(model, folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        try:
            if not is_whole(folder):
                _convert(model, source, read, folder)
        finally:
            lock.release()
    return Weights(str(folder), weights.revision)


def _key(source: Path, beside: tuple[Path, ...]) -> str:
    """First 12 digits of a hash of the files that are converted and of the layout."""
    key = hashlib.sha256(f"{LAYOUT} {source.name} {source.stat().st_size} ".encode())
    for path in (source, *beside):
        key.update(bytes.fromhex(sha256_of(path)))
    return key.hexdigest()[:12]


def is_whole(folder: Path) -> bool:
    """Whether a converted folder is complete, with the hashes that were written."""
    try:
        return all(
            sha256_of(folder / name) == sha for name, sha in read_json(folder / SUMS).items()
        )
    except (OSError, ValueError, AttributeError):
        return False


@contextmanager
def cache_errors(model: str, folder: Path) -> Iterator[None]:
    """Raises SinkscopeError where the block cannot write to the cache."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PassingError(
            f"model '{model}': its weights cannot be kept in {folder.parent} ({reason}); free "
            "space there or set SINKSCOPE_CACHE to a writable folder."
        ) from error


def _convert(model: str, source: Path, read: Reader, folder: Path) -> None:
    """Runs under the lock of `folder`: unfinished folders of other processes can be deleted."""
    for leftover in folder.parent.glob(f".{glob.escape(folder.name)}.*{PART}"):
        shutil.rmtree(leftover, ignore_errors=True)
    network, tokenizer = read(model, source)
    with cache_errors(model, folder):
        temporary = Path(tempfile.mkdtemp(PART, f".{folder.name}.", folder.parent))
        try:
            network.save_pretrained(temporary)
            tokenizer.save_pretrained(temporary)
            files = sorted(temporary.iterdir())
            write_json(temporary / SUMS, {path.name: sha256_of(path) for path in files})
            for path in (*files, temporary):
                share(path)
            shutil.rmtree(folder, ignore_errors=True)  # one that is damaged
            os.replace(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
