"""Hashes of the files that models are loaded from. Those of large files are cached below results/,
by path, size and time; only jobs write the cache.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from sinkscope.errors import SinkscopeError
from sinkscope.files import noted, read_object, sha256_of, write_json

# Endings of the files that a model is loaded from.
LOADED = (".json", ".safetensors", ".bin", ".txt", ".model", ".gguf", ".onnx")
LARGE = 2**20  # least size in bytes of a file whose hash is cached


class FileHashes:
    """Hashes cached in the folder of a run. remember: add new ones to the cache."""

    def __init__(self, directory: Path, *, remember: bool) -> None:
        self._path = directory / "results" / "weights.json"
        self._remember = remember and self._path.parent.is_dir()
        self._known = read_object(self._path)

    def of_file(self, path: Path) -> str:
        """SHA-256 of a file. Raises SinkscopeError if the file cannot be read."""
        try:
            status = path.stat()
            now: list[int | str] = [status.st_size, status.st_mtime_ns]
            known = self._known.get(str(path))
            if isinstance(known, list) and known[:2] == now:
                return str(known[2])
            digest = sha256_of(path)
        except OSError as error:
            raise SinkscopeError(
                f"{path}: cannot be read ({error.strerror}); check its permissions."
            ) from error
        if self._remember and status.st_size >= LARGE:
            with noted():  # the cache is not a result of the running job
                # Hashes that another job has written meanwhile are kept.
                known_now = read_object(self._path) | {str(path): [*now, digest]}
                write_json(self._path, dict(sorted(known_now.items())))
        return digest

    def of_folder(self, folder: Path) -> str:
        """First 12 digits of a hash of the folder's weights, tokenizer and configuration."""
        total = hashlib.sha256()
        for path in sorted(folder.iterdir()):
            if path.suffix in LOADED and path.is_file():
                total.update(path.name.encode() + bytes.fromhex(self.of_file(path)))
        return total.hexdigest()[:12]
