"""Files inside packages, read in memory: nothing is unpacked to disk.

A member with a name such as ../../x is therefore harmless.
"""

import gzip
import shutil
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from sinkscope.errors import SinkscopeError

GZIP = b"\x1f\x8b"
Wanted = Callable[[str], bool]


def members(archive: Path, wanted: Wanted) -> Iterator[tuple[str, bytes]]:
    """(path inside, content) of the regular files of a package for which `wanted` is true.

    A .deb, .whl, .zip or tar file; members that are gzipped are decompressed. Raises SinkscopeError
    if the package cannot be read.
    """
    try:
        for name, content in _opened(archive, wanted):
            yield name, gzip.decompress(content) if content.startswith(GZIP) else content
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error) as error:
        reason = " ".join(str(error).split())
        raise SinkscopeError(
            f"{archive}: cannot be read ({reason}); delete it; the next run downloads it again."
        ) from error


def _opened(archive: Path, wanted: Wanted) -> Iterator[tuple[str, bytes]]:
    if archive.suffix == ".deb":
        yield from _deb(archive, wanted)
    elif archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as opened:
            for entry in opened.infolist():
                if not entry.is_dir() and wanted(entry.filename):
                    yield entry.filename, opened.read(entry)
    else:
        with tarfile.open(archive) as opened_tar:
            yield from _tar(opened_tar, wanted)


def _deb(archive: Path, wanted: Wanted) -> Iterator[tuple[str, bytes]]:
    """dpkg-deb writes the package's tar file into a pipe, which is read as a stream."""
    command = ["dpkg-deb", "--fsys-tarfile", str(archive)]
    if shutil.which("dpkg-deb") is None:
        raise SinkscopeError(f"{archive}: opening it needs dpkg-deb; install dpkg.")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as opened:
                yield from _tar(opened, wanted)
        finally:
            process.stdout.close()  # a reader that stops early ends dpkg-deb too


def _tar(opened: tarfile.TarFile, wanted: Wanted) -> Iterator[tuple[str, bytes]]:
    for entry in opened:
        name = entry.name.removeprefix("./")
        if entry.isreg() and wanted(name):
            content = opened.extractfile(entry)
            assert content is not None
            yield name, content.read()
