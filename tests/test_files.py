"""Files that are whole or not there."""

import os
import stat

import pytest

from sinkscope.errors import SinkscopeError
from sinkscope.files import (
    read_json,
    replaced_folder,
    sha256_of,
    write_json,
    write_text,
    written,
)


def test_a_file_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "deep" / "file.txt"
    with written(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        assert temporary.parent == path.parent
    assert path.read_text() == "half"
    assert os.listdir(path.parent) == ["file.txt"]


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_no_part_of_the_new(tmp_path, error):
    path = tmp_path / "file.txt"
    write_text(path, "old")

    def interrupted():
        with written(path) as temporary:
            temporary.write_text("new")
            raise error

    with pytest.raises(error):
        interrupted()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_a_file_can_be_read_by_whom_the_umask_lets(tmp_path):
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "file.txt", "text")
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file.txt").stat().st_mode) == 0o640


def test_a_full_disk_is_an_error_with_a_remedy(small_disk):
    with pytest.raises(SinkscopeError) as caught:
        write_text(small_disk.path / "file.txt", "x" * 1_000_000)
    assert str(small_disk.path / "file.txt") in str(caught.value)
    assert "no space left on the disk" in str(caught.value)
    assert "free some disk space" in str(caught.value)
    assert os.listdir(small_disk.path) == []


def test_a_full_disk_leaves_the_old_folder(small_disk):
    out = small_disk.path / "out"

    def write(data):
        with replaced_folder(out) as folder:
            (folder / "table").write_bytes(data)

    write(b"old")
    with pytest.raises(SinkscopeError, match=r"out: cannot be written \(no space left"):
        write(b"x" * 1_000_000)
    assert (out / "table").read_bytes() == b"old"
    assert os.listdir(small_disk.path) == ["out"]


def test_a_file_that_may_not_grow_is_an_error(tmp_path, small_files):
    with small_files(), pytest.raises(SinkscopeError, match=r"file.txt: cannot be written"):
        write_text(tmp_path / "file.txt", "x" * 1_000_000)
    assert os.listdir(tmp_path) == []


def test_a_file_where_a_folder_should_be_is_an_error(tmp_path):
    write_text(tmp_path / "file", "text")
    with pytest.raises(SinkscopeError, match=r"inner: cannot be written.*check the folder"):
        write_text(tmp_path / "file" / "inner", "text")


def test_equal_values_are_equal_bytes_and_come_back(tmp_path):
    value = {"name": "é ▁", "numbers": [1, 0.5, None, True]}
    write_json(tmp_path / "a", value)
    write_json(tmp_path / "b", dict(value))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert sha256_of(tmp_path / "a") == sha256_of(tmp_path / "b")
    assert read_json(tmp_path / "a") == value


def test_json_is_strict(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a", {"share": float("nan")})
    assert os.listdir(tmp_path) == []


def test_json_that_is_nested_too_deep_is_no_json(tmp_path):
    (tmp_path / "a").write_text("[" * 100_000)
    with pytest.raises(ValueError, match="nested too deep"):
        read_json(tmp_path / "a")
