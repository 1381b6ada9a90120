"""GGUF weights, turned into safetensors once and kept in the user's cache.

Reading GGUF dequantises every tensor (tens of seconds), and a model that came from it
refuses to be saved; loading the safetensors afterwards takes a second.
"""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock
from safetensors import SafetensorError

from sinkscope.errors import PassingError, SinkscopeError
from sinkscope.extract.sources import Weights
from sinkscope.files import PART, read_json, sha256_of, share, write_json

LAYOUT = "1"  # increase when the content of a converted folder changes
SUMS = "sha256.json"  # of a converted folder: file name to SHA-256


def cache_folder() -> Path:
    """SINKSCOPE_CACHE, or the platform's usual place below the home directory.

    Raises SinkscopeError for a user without a home directory.
    """
    if folder := os.environ.get("SINKSCOPE_CACHE"):
        return Path(folder)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sinkscope"
    except RuntimeError as error:
        raise SinkscopeError(
            "there is no home directory to keep weights in; set SINKSCOPE_CACHE to a folder that "
            "can be written."
        ) from error


def as_safetensors(model: str, weights: Weights) -> Weights:
    """The same weights, dequantised exactly (float32), as a folder with a tokenizer.

    A damaged folder is converted again. Raises SinkscopeError if the cache cannot be written, and
    what the library raises for GGUF that it cannot read.
    """
    assert weights.gguf is not None
    source = Path(weights.location) / weights.gguf
    key = hashlib.sha256(f"{LAYOUT} {source.name} {source.stat().st_size} ".encode())
    with source.open("rb") as stream:
        key.update(hashlib.file_digest(stream, "sha256").digest())
    folder = cache_folder() / "models" / f"{source.stem}-{key.hexdigest()[:12]}"
    if not is_whole(folder):  # an existing folder is only read: the cache may be another user's
        lock = FileLock(f"{folder}.lock")
        with cache_errors(model, folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        try:
            if not is_whole(folder):
                _convert(model, weights, folder)
        finally:
            lock.release()
    return Weights(str(folder), weights.revision)


def is_whole(folder: Path) -> bool:
    """Whether a converted folder has all of its files, with the hashes that were written."""
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
            "space there or set SINKSCOPE_CACHE to a folder that can be written."
        ) from error


def _convert(model: str, weights: Weights, folder: Path) -> None:
    """Runs under the lock of `folder`, so that unfinished folders of other processes can be
    deleted."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    for leftover in folder.parent.glob(f".{glob.escape(folder.name)}.*{PART}"):
        shutil.rmtree(leftover, ignore_errors=True)
    tokenizer = AutoTokenizer.from_pretrained(weights.location, gguf_file=weights.gguf)
    loaded = AutoModelForCausalLM.from_pretrained(weights.location, gguf_file=weights.gguf)
    config = loaded.config
    # A plain model of the same class: the loaded one counts as quantised, and cannot be saved.
    del config.quantization_config
    plain = type(loaded)(config)
    plain.load_state_dict(loaded.state_dict())
    with cache_errors(model, folder):
        temporary = Path(tempfile.mkdtemp(PART, f".{folder.name}.", folder.parent))
        try:
            plain.save_pretrained(temporary)
            tokenizer.save_pretrained(temporary)
            files = sorted(temporary.iterdir())
            write_json(temporary / SUMS, {path.name: sha256_of(path) for path in files})
            for path in (*files, temporary):
                share(path)
            shutil.rmtree(folder, ignore_errors=True)  # one that is damaged
            os.replace(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
