"""The table of packages, their hashes, and the files inside them."""

import gzip
import hashlib
import io
import os
import subprocess
import tarfile
import zipfile
from dataclasses import replace

import pytest

from sinkscope.errors import SinkscopeError
from sinkscope.zoo.archives import members
from sinkscope.zoo.packages import Source, check_hash, download, download_all, read_sources

CONTENTS = {
    "usr/share/doc/a/index.html": b"<p>Hello.</p>",
    "usr/share/doc/a/notes.txt.gz": gzip.compress(b"Packed notes."),
    "../../escape.txt": b"Out of here?",
}
SOURCE = Source(
    registry="pypi",
    package="a",
    version="1.0",
    file="a-1.0.tar.gz",
    sha256=hashlib.sha256(b"right").hexdigest(),
    licence="MIT",
    reader="plain",
    include=r"\.txt$",
    exclude="",
    limit_mb=None,
    about="a text, by nobody",
)
HEADER = "registry package version file sha256 licence reader include exclude limit_mb about"


def tar_of(contents):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        link = tarfile.TarInfo("usr/share/doc/a/link.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    return stream.getvalue()


def write_tar_gz(path):
    path.write_bytes(gzip.compress(tar_of(CONTENTS)))


def write_whl(path):
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("empty/", b"")
        for name, content in CONTENTS.items():
            wheel.writestr(name, content)


def write_deb(path):
    """An ar archive of three members, as deb(5) says."""
    control = tar_of({"control": b"Package: a\nVersion: 1.0\nArchitecture: all\n"})
    parts = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": gzip.compress(control),
        "data.tar.gz": gzip.compress(tar_of(CONTENTS)),
    }
    with path.open("wb") as deb:
        deb.write(b"!<arch>\n")
        for name, content in parts.items():
            deb.write(f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode())
            deb.write(content + b"\n" * (len(content) % 2))


ARCHIVES = {"a.tar.gz": write_tar_gz, "a.whl": write_whl, "a.deb": write_deb}


@pytest.mark.parametrize("name", ARCHIVES)
def test_members_are_read_in_memory_and_unpacked(tmp_path, name):
    if name.endswith(".deb") and subprocess.run(["which", "dpkg-deb"], check=False).returncode:
        pytest.skip("no dpkg-deb here")
    (tmp_path / "inner").mkdir()
    archive = tmp_path / "inner" / name
    ARCHIVES[name](archive)
    found = dict(members(archive, lambda _: True))
    assert found == CONTENTS | {"usr/share/doc/a/notes.txt.gz": b"Packed notes."}
    # The hostile name above is a key of a dictionary and nothing else: no file was written.
    assert os.listdir(tmp_path) == ["inner"]
    assert os.listdir(tmp_path / "inner") == [name]


@pytest.mark.parametrize("name", ["a.tar.gz", "a.whl"])
def test_only_wanted_members_come(tmp_path, name):
    ARCHIVES[name](tmp_path / name)
    source = replace(SOURCE, include=r"\.(html|txt)", exclude=r"escape")
    names = [member for member, _ in members(tmp_path / name, source.wants)]
    assert names == ["usr/share/doc/a/index.html", "usr/share/doc/a/notes.txt.gz"]


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_broken_package_is_one_sentence(tmp_path, name):
    (tmp_path / name).write_bytes(b"no archive")
    with pytest.raises(SinkscopeError, match=rf"{name}.*(delete it|install dpkg)"):
        list(members(tmp_path / name, lambda _: True))


def test_another_file_than_the_tables_is_refused(tmp_path):
    path = tmp_path / SOURCE.file
    path.write_bytes(b"wrong")
    with pytest.raises(SinkscopeError, match=r"^a 1\.0 \(pypi\).*sha256.*licence"):
        check_hash(SOURCE, path)
    path.write_bytes(b"right")
    check_hash(SOURCE, path)


def test_a_package_that_is_there_and_right_is_not_downloaded(tmp_path):
    (tmp_path / SOURCE.file).write_bytes(b"right")
    assert not download(SOURCE, tmp_path)


def test_a_version_that_is_not_to_be_had_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")  # no apt-get anywhere
    source = replace(SOURCE, registry="debian", file="a_1.0_all.deb")
    with pytest.raises(SinkscopeError, match=r"^a 1\.0 \(debian\): .*snapshot archive"):
        download(source, tmp_path)
    assert os.listdir(tmp_path) == []


def write_table(path, *rows):
    lines = ["\t".join(HEADER.split()), *("\t".join(row) for row in rows)]
    path.write_text("\n".join(lines) + "\n")


ROW = ["pypi", "a", "1.0", "a-1.0.tar.gz", SOURCE.sha256, "MIT", "plain", r"\.txt$", "", "2.5", "x"]


def test_rows_become_sources(tmp_path):
    write_table(tmp_path / "sources.tsv", ROW)
    (source,) = read_sources(tmp_path / "sources.tsv")
    assert source == replace(SOURCE, limit_mb=2.5, about="x")


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("registry", "npm", "debian, pypi"),
        ("sha256", "1234", "64 hexadecimal"),
        ("file", "../a.deb", "without folders"),
        ("package", "--help", "registry"),
        ("include", "(", "regular expression"),
        ("limit_mb", "much", "a number above 0"),
        ("licence", "", "missing"),
    ],
)
def test_a_bad_row_names_its_line(tmp_path, column, value, says):
    row = ROW.copy()
    row[HEADER.split().index(column)] = value
    write_table(tmp_path / "sources.tsv", row)
    with pytest.raises(SinkscopeError, match=rf"sources\.tsv line 2: .*{says}"):
        download_all(tmp_path / "sources.tsv", tmp_path)


def test_a_package_has_one_row(tmp_path):
    write_table(tmp_path / "sources.tsv", ROW, ROW)
    with pytest.raises(SinkscopeError, match=r"line 3: a second row"):
        read_sources(tmp_path / "sources.tsv")
