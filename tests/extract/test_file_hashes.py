"""Hashes of weights: read once, and again when the file is another one."""

import os

import pytest

from sinkscope.errors import SinkscopeError
from sinkscope.extract import file_hashes
from sinkscope.extract.file_hashes import LARGE, FileHashes
from sinkscope.files import sha256_of


@pytest.fixture
def weights(tmp_path):
    (tmp_path / "results").mkdir()
    path = tmp_path / "model" / "model.safetensors"
    path.parent.mkdir()
    path.write_bytes(b"x" * LARGE)
    return path


def hashed(path, directory, *, remember=True):
    return FileHashes(directory, remember=remember).of_file(path)


def test_a_large_file_is_read_once(weights, tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(file_hashes, "sha256_of", lambda path: read.append(path) or sha256_of(path))
    expected = sha256_of(weights)
    assert [hashed(weights, tmp_path) for _ in range(3)] == [expected] * 3
    assert len(read) == 1
    # Other content of the same size, at another time.
    weights.write_bytes(b"y" * LARGE)
    os.utime(weights, ns=(1, 1))
    assert hashed(weights, tmp_path) == sha256_of(weights) != expected
    assert len(read) == 2


def test_what_is_only_planned_writes_nothing(weights, tmp_path):
    assert hashed(weights, tmp_path, remember=False) == sha256_of(weights)
    assert list((tmp_path / "results").iterdir()) == []
    # Nor is a folder of results made for it.
    (tmp_path / "results").rmdir()
    assert hashed(weights, tmp_path) == sha256_of(weights)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("content", ["", "[]", '{"x": 3}', "{"])
def test_what_cannot_be_read_is_forgotten(weights, tmp_path, content):
    (tmp_path / "results" / "weights.json").write_text(content)
    assert hashed(weights, tmp_path) == sha256_of(weights)


def test_every_file_that_is_loaded_counts_and_no_other(weights, tmp_path):
    def folder():
        return FileHashes(tmp_path, remember=True).of_folder(weights.parent)

    before = folder()
    (weights.parent / "notes.md").write_text("a card")
    assert folder() == before
    (weights.parent / "config.json").write_text("{}")
    with_config = folder()
    assert with_config != before
    (weights.parent / "config.json").rename(weights.parent / "other.json")
    assert folder() != with_config


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(SinkscopeError, match=r"gone\.safetensors: cannot be read"):
        hashed(tmp_path / "gone.safetensors", tmp_path)
