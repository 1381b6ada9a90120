"""GGUF weights, turned into safetensors once and kept in the user's cache.

Reading GGUF dequantises every tensor (tens of seconds), and a model that came from it
refuses to be saved; loading the safetensors afterwards takes a second.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from filelock import FileLock

from sinkscope.errors import PassingError, SinkscopeError
from sinkscope.extract.sources import Weights

LAYOUT = "1"  # raise when what is kept changes


def cache_folder() -> Path:
    """SINKSCOPE_CACHE, or the platform's usual place below the home directory.

    Raises SinkscopeError for a user without one.
    """
    if own := os.environ.get("SINKSCOPE_CACHE"):
        return Path(own)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sinkscope"
    except RuntimeError as error:
        raise SinkscopeError(
            "there is no home directory to keep weights in; set SINKSCOPE_CACHE to a folder that "
            "can be written."
        ) from error


def as_safetensors(model: str, weights: Weights) -> Weights:
    """The same weights, dequantised exactly (float32), as a folder with a tokenizer."""
    assert weights.gguf is not None
    source = Path(weights.location) / weights.gguf
    key = hashlib.sha256(f"{LAYOUT} {source.name} {source.stat().st_size} ".encode())
    with source.open("rb") as stream:
        key.update(hashlib.file_digest(stream, "sha256").digest())
    folder = cache_folder() / "models" / f"{source.stem}-{key.hexdigest()[:12]}"
    done = Weights(str(folder), weights.revision)
    if (folder / "config.json").is_file():
        return done
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not (folder / "config.json").is_file():
                _convert(weights, folder)
    except OSError as error:
        raise PassingError(
            f"model '{model}': its weights cannot be kept in {folder.parent} "
            f"({error.strerror or error}); free space there or set SINKSCOPE_CACHE "
            "to a folder that can be written."
        ) from error
    return done


def _convert(weights: Weights, folder: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(weights.location, gguf_file=weights.gguf)
    loaded = AutoModelForCausalLM.from_pretrained(weights.location, gguf_file=weights.gguf)
    config = loaded.config
    # A plain model of the same class: the loaded one counts as quantised, and cannot be saved.
    del config.quantization_config
    plain = type(loaded)(config)
    plain.load_state_dict(loaded.state_dict())
    temporary = Path(tempfile.mkdtemp(prefix=".convert-", dir=folder.parent))
    try:
        plain.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
