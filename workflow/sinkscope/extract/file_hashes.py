"""Hashes of the files that models are loaded from, computed once and cached.

A large file is identified by its path, size and time: while these are unchanged, it is not read
again. The cache is below results/, and only jobs write it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import TracebackType

from sinkscope.errors import SinkscopeError
from sinkscope.files import noted, read_json, sha256_of, write_json

# Endings of the files that a model is loaded from.
LOADED = (".json", ".safetensors", ".bin", ".txt", ".model", ".gguf", ".onnx")
LARGE = 2**20  # least size in bytes of a file whose hash is cached


class FileHashes:
    """Hashes cached in the folder of a run. On exit new hashes are added to the cache, if
    `remember` is set."""

    def __init__(self, directory: Path, *, remember: bool) -> None:
        self._path = directory / "results" / "weights.json"
        self._remember = remember and self._path.parent.is_dir()
        self._known = self._read()
        self._new: dict[str, list[int | str]] = {}

    def __enter__(self) -> FileHashes:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._remember and self._new:
            with noted():  # the cache is not a result of the running job
                # Hashes that another job has written meanwhile are kept.
                write_json(self._path, dict(sorted((self._read() | self._new).items())))

    def _read(self) -> dict[str, list[int | str]]:
        try:
            content = read_json(self._path)
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

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
        if status.st_size >= LARGE:
            self._new[str(path)] = [*now, digest]
        return digest

    def of_folder(self, folder: Path) -> str:
        """First 12 digits of a hash of the folder's weights, tokenizer and configuration."""
        total = hashlib.sha256()
        for path in sorted(folder.iterdir()):
            if path.suffix in LOADED and path.is_file():
                total.update(path.name.encode() + bytes.fromhex(self.of_file(path)))
        return total.hexdigest()[:12]
